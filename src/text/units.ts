// Durations and sizes as people write them, with their units; inside the program they are milliseconds and bytes. One format each, for
// what is read and for what is printed: whatever is printed here can be pasted into the configuration. Pure.

const MILLISECONDS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
const BYTES = { B: 1, KB: 1_000, MB: 1_000_000, GB: 1_000_000_000, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 } as const;

type Time = `${number}${keyof typeof MILLISECONDS}`;
/** `"500ms"`, `"1.5s"`, `"1h30m"`. */
export type Duration = Time | `${Time}${Time}`;
export type Size = `${number}${keyof typeof BYTES}`;

const NUMBER = "\\d+(?:\\.\\d+)?";
const DURATION = new RegExp(
  `^${Object.keys(MILLISECONDS)
    .map((unit) => `(?:(${NUMBER})${unit})?`)
    .join("")}$`,
);
const SIZE = new RegExp(`^(${NUMBER})(${Object.keys(BYTES).join("|")})$`);

const whole = (value: number): number | undefined => (Number.isSafeInteger(Math.round(value)) ? Math.round(value) : undefined);

/** `"1.5s"` → 1500, `"1h30m"` → 5400000. Undefined for what is not numbers with d, h, m, s and ms, the largest first. */
export function parseDuration(text: string): number | undefined {
  const amounts = DURATION.exec(text)?.slice(1);
  if (!amounts || text === "") return undefined;
  const factors = Object.values(MILLISECONDS);
  return whole(amounts.reduce((sum, amount, index) => sum + Number(amount ?? 0) * (factors[index] ?? 0), 0));
}

/** `"512MB"` → 512000000. Undefined when the text is not a number with one of B, KB, MB, GB, KiB, MiB, GiB. */
export function parseSize(text: string): number | undefined {
  const [, amount, unit] = SIZE.exec(text) ?? [];
  const factors: Readonly<Record<string, number>> = BYTES;
  return whole(Number(amount) * (factors[unit ?? ""] ?? Number.NaN));
}

/** Exactly, as configuration has it: 90000 → `"1m30s"`, 1500 → `"1.5s"`, 0 → `"0s"`. */
export function describeDuration(durationMs: number): string {
  const rounded = Math.round(durationMs);
  if (rounded > 0 && rounded < MILLISECONDS.s) return `${rounded}ms`;
  let rest = rounded;
  const parts = (["d", "h", "m"] as const).map((unit) => {
    const count = Math.floor(rest / MILLISECONDS[unit]);
    rest -= count * MILLISECONDS[unit];
    return count === 0 ? "" : `${count}${unit}`;
  });
  return `${parts.join("")}${rest > 0 || rounded === 0 ? `${rest / MILLISECONDS.s}s` : ""}`;
}

/** Rounded to what a reader needs of a time that was measured: `400ms`, `9.9s`, `12s`, `3m5s`, `2h10m`, `4d3h`. */
export function describeElapsed(durationMs: number): string {
  const [step] = ELAPSED_STEPS.find(([, below]) => durationMs < below) ?? [MILLISECONDS.h];
  return describeDuration(Math.round(durationMs / step) * step);
}

const ELAPSED_STEPS = [
  [100, 9_950],
  [MILLISECONDS.s, MILLISECONDS.h],
  [MILLISECONDS.m, MILLISECONDS.d],
  [MILLISECONDS.h, Number.POSITIVE_INFINITY],
] as const;

/** Disks are counted in GiB, and mostly called GB: both `"20GB"` and `"20GiB"` → 20. Never less than the size. */
export const wholeGib = (size: number): number => (Number.isInteger(size / BYTES.GB) ? size / BYTES.GB : Math.ceil(size / BYTES.GiB));
