// Durations and sizes are written with their units; inside the program they are milliseconds and bytes.

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, KB: 1_000, MB: 1_000_000, GB: 1_000_000_000, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 } as const;

export type Duration = `${number}${keyof typeof MILLISECONDS}`;
export type Size = `${number}${keyof typeof BYTES}`;

const parseWith = (units: Record<string, number>) => {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?)(${Object.keys(units).join("|")})$`);
  return (text: string): number | undefined => {
    const [, digits, unit] = pattern.exec(text) ?? [];
    const value = Math.round(Number(digits) * (units[unit ?? ""] ?? Number.NaN));
    return Number.isSafeInteger(value) ? value : undefined;
  };
};

/** `"1.5s"` → 1500. Undefined when the text is not a number with one of ms, s, m, h, d. */
export const parseDuration = parseWith(MILLISECONDS);

/** `"512MB"` → 512000000. Undefined when the text is not a number with one of B, KB, MB, GB, KiB, MiB, GiB. */
export const parseSize = parseWith(BYTES);

/** 90000 → `"1.5m"`: the largest unit that leaves at most one decimal. */
export function describeDuration(durationMs: number): string {
  for (const [unit, factor] of Object.entries(MILLISECONDS).reverse()) {
    const value = durationMs / factor;
    if (value >= 1 && Number.isInteger(value * 10)) return `${value}${unit}`;
  }
  return `${Math.round(durationMs)}ms`;
}
