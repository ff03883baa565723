// What a configuration exports, on its way out of the thread that it was evaluated in. Pure.

/** What came of it. `thrown` without a name was no Error. */
export type Evaluated = { value: unknown } | { thrown: { name?: string; message: string; stack?: string } };

const STANDS_FOR = "landfall: stands for";

/** Without functions and symbols, which no thread can give to another; what stands for each says so. */
export function asPortable(value: unknown, seen = new Map<unknown, unknown>()): unknown {
  if (typeof value === "function" || typeof value === "symbol") return { [STANDS_FOR]: typeof value };
  return mapped(value, seen, asPortable);
}

/** With a function where there was one, so that it is named as what it is. */
export function fromPortable(value: unknown, seen = new Map<unknown, unknown>()): unknown {
  if (typeof value === "object" && value !== null && STANDS_FOR in value) return value[STANDS_FOR] === "symbol" ? Symbol() : () => {};
  return mapped(value, seen, fromPortable);
}

/** Each value inside changed, those that hold themselves too. Whatever is neither a list nor a plain object stays what it is. */
function mapped(value: unknown, seen: Map<unknown, unknown>, change: typeof asPortable): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  if (Array.isArray(value)) {
    const list: unknown[] = [];
    seen.set(value, list);
    for (const item of value) list.push(change(item, seen));
    return list;
  }
  if (![Object.prototype, null].includes(Object.getPrototypeOf(value))) return value;
  const object = {};
  seen.set(value, object);
  for (const [key, item] of Object.entries(value))
    Object.defineProperty(object, key, { value: change(item, seen), enumerable: true, writable: true, configurable: true });
  return object;
}
