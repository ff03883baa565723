// Divides an environment's range of addresses: sixteen parts, of which each kind of subnet has four in a row.

/** `("10.0.0.0/16", 5)` → `"10.0.80.0/20"`: the part with this number, of sixteen. */
export function sixteenth(cidr: string, part: number): string {
  const { first, bits } = rangeOf(cidr);
  const partBits = bits + 4;
  return `${addressOf(first + part * 2 ** (32 - partBits))}/${partBits}`;
}

/** The whole range, with what stands after its own bits taken away: `10.0.5.0/16` → `10.0.0.0/16`. */
export function wholeRange(cidr: string): string {
  const { first, bits } = rangeOf(cidr);
  return `${addressOf(first)}/${bits}`;
}

/** A range's first address as a number; what stands after the range's own bits does not count. */
function rangeOf(cidr: string): { first: number; bits: number } {
  const [address = "", length = ""] = cidr.split("/");
  const bits = Number(length);
  const written = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  return { first: written - (written % 2 ** (32 - bits)), bits };
}

const addressOf = (number: number) => [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");

export const FIRST_PART = { public: 0, private: 4, isolated: 8 } as const;
