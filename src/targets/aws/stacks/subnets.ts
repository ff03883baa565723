// How an environment's range of addresses is divided: sixteen parts, of which each kind of subnet has four in a row.

/** `("10.0.0.0/16", 5)` → `"10.0.80.0/20"`: the part with this number, of sixteen. */
export function sixteenth(cidr: string, part: number): string {
  const [address, length] = cidr.split("/") as [string, string];
  const bits = Number(length) + 4;
  const size = 2 ** (32 - bits);
  const first = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  // What stands after the range's own bits does not count.
  const start = first - (first % (size * 16)) + part * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256).join(".")}/${bits}`;
}

/** The whole range, with what stands after its own bits taken away: `10.0.5.0/16` → `10.0.0.0/16`. */
export function wholeRange(cidr: string): string {
  const length = cidr.split("/")[1] as string;
  return `${sixteenth(cidr, 0).split("/")[0] as string}/${length}`;
}

export const FIRST_PART = { public: 0, private: 4, isolated: 8 } as const;
