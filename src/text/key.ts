// Keys of the configuration: a type with what its page says of it, and texts that stand for numbers.
import { z } from "zod";
import { type Duration, parseDuration, parseSize, type Size } from "./units.ts";

interface KeyFacts {
  about: string;
  example?: string;
}

declare module "zod" {
  interface GlobalMeta extends Partial<KeyFacts> {}
}

export const key = <T extends z.ZodType>(type: T, facts: KeyFacts): T => type.meta({ ...facts });

/** A text that `parse` reads, from `min` to `max`: each has a range, since what is endless or nothing at all was not meant. */
const measure = <T extends string>(what: string, parse: (text: string) => number | undefined, [min, max]: [min: T, max: T]) => {
  const [least, most] = [parse(min), parse(max)];
  if (least === undefined || most === undefined) throw new TypeError(`${min} or ${max} has no unit`);
  const isWithin = (value: number | undefined) => value !== undefined && value >= least && value <= most;
  return z
    .custom<T>((value) => typeof value === "string" && isWithin(parse(value)), { error: `${what} with its unit, from "${min}" to "${max}"` })
    .transform((value) => Number(parse(value)));
};
export const duration = (min: Duration, max: Duration) => measure("a duration", parseDuration, [min, max]);
export const size = (min: Size, max: Size) => measure("a size", parseSize, [min, max]);

export const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: "a variable name of letters, digits and underscores" });
