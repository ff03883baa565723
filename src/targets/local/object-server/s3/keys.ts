// The names of a bucket's objects in S3's order, which is that of their UTF-8 bytes.

/** The position of the first of `sorted` for which `isAt` holds; it holds for all that follow. */
function findFirst(sorted: readonly string[], isAt: (key: string) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const key = sorted[middle];
    if (key !== undefined && isAt(key)) high = middle;
    else low = middle + 1;
  }
  return low;
}

export class Keys {
  readonly #sorted: string[];

  constructor(keys: Iterable<string>) {
    this.#sorted = [...keys].sort(compareBytes);
  }

  get size(): number {
    return this.#sorted.length;
  }

  add(key: string): void {
    const at = this.#find(key);
    if (this.#sorted[at] !== key) this.#sorted.splice(at, 0, key);
  }

  delete(key: string): void {
    const at = this.#find(key);
    if (this.#sorted[at] === key) this.#sorted.splice(at, 1);
  }

  #find(key: string): number {
    return findFirst(this.#sorted, (other) => compareBytes(other, key) >= 0);
  }

  list({ prefix, delimiter, after, limit }: Listing): Listed {
    const listed: Listed = { keys: [], prefixes: [], isTruncated: false };
    let at = findFirst(this.#sorted, (key) => compareBytes(key, after) > 0 && compareBytes(key, prefix) >= 0);
    for (let key = this.#sorted[at]; key?.startsWith(prefix); key = this.#sorted[at]) {
      const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
      const common = end < 0 ? undefined : key.slice(0, end + delimiter.length);
      const isNew = common === undefined || common !== after;
      if (isNew && listed.keys.length + listed.prefixes.length >= limit) return { ...listed, isTruncated: limit > 0 };
      if (common === undefined) {
        listed.keys.push(key);
        at += 1;
      } else {
        if (isNew) listed.prefixes.push(common);
        const from = at;
        at = findFirst(this.#sorted, (other) => compareBytes(other, key) > 0 && !other.startsWith(common));
        if (at <= from) at = from + 1;
      }
      listed.last = common ?? key;
    }
    return listed;
  }
}

export interface Listing {
  prefix: string;
  /** Keys that have it after the prefix are told once, up to it; none when empty. */
  delimiter: string;
  /** Keys and common prefixes up to this one are left out. */
  after: string;
  limit: number;
}

export interface Listed {
  keys: string[];
  prefixes: string[];
  isTruncated: boolean;
  /** The last that was told: with it as `after` the list goes on. */
  last?: string;
}

/** Code units sort as UTF-8's bytes do, but for surrogates, which stand for what comes after all others. */
function compareBytes(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index++) {
    const [a, b] = [one.charCodeAt(index), other.charCodeAt(index)];
    if (a !== b) return rank(a) - rank(b);
  }
  return one.length - other.length;
}

const rank = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);
