// From the five fields of cron to what a systemd timer takes. Pure.
import { LandfallError } from "../error.ts";

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/**
 * The `OnCalendar` values of a schedule, in UTC. Where both the day of the month and the day of the week are restricted, either is
 * enough, as in cron; then there are two. Throws CONFIG_WRONG_VALUE for what systemd has no word for (`W`, `?`).
 *
 * @example calendarsOf("15 3 * * 1") // ["Mon *-*-* 03:15:00 UTC"]
 */
export function calendarsOf(schedule: string): string[] {
  const fields = schedule.trim().toUpperCase().split(/\s+/);
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  const time = `${numbers(minute, [0, 59], schedule)}:${numbers(hour, [0, 23], schedule)}`.split(":").reverse().join(":");
  const months = numbers(named(month, MONTHS, 1), [1, 12], schedule);
  const days = day === "*" ? ["*"] : daysOf(day, schedule);
  const dates = (list: string[]) => list.map((date) => `*-${months}${date.startsWith("~") ? date : `-${date}`} ${time}:00 UTC`);
  if (weekday === "*") return dates(days);
  const onWeekdays = weekdaysOf(weekday, schedule).flatMap(({ name, within }) => dates([within]).map((date) => `${name} ${date}`));
  return day === "*" ? onWeekdays : [...dates(days), ...onWeekdays];
}

/** The last day of a month is counted from its end. */
function daysOf(field: string, schedule: string): string[] {
  const parts = field.split(",");
  const plain = parts.filter((part) => part !== "L").join(",");
  return [...(plain ? [numbers(plain, [1, 31], schedule)] : []), ...(parts.includes("L") ? ["~01"] : [])];
}

/** `5#2` is the second Friday: the one from the 8th to the 14th. `5#L` is the last one: among the last seven days. */
function weekdaysOf(field: string, schedule: string): { name: string; within: string }[] {
  const parts = named(field, DAYS, 0).split(",");
  const special = parts.flatMap((part) => {
    const [, day, nth] = /^([0-7])#([1-5L])$/.exec(part) ?? [];
    if (day === undefined) return [];
    const name = WEEKDAYS[Number(day) % 7] ?? "";
    return [{ name, within: nth === "L" ? "~07/1" : `${two(Number(nth) * 7 - 6)}..${two(Math.min(31, Number(nth) * 7))}` }];
  });
  const plain = parts.filter((part) => !/^[0-7]#/.test(part)).join(",");
  if (!plain) return special;
  const days = [...new Set(valuesOf(plain, [0, 7], schedule).map((value) => value % 7))].sort((a, b) => a - b);
  return [{ name: days.map((value) => WEEKDAYS[value]).join(","), within: "*" }, ...special];
}

const named = (field: string, names: string[], first: number): string =>
  field.replace(/[A-Z]{3}/g, (name) => (names.includes(name) ? String(names.indexOf(name) + first) : name));

/** The values that a field may have. */
type Range = [from: number, to: number];

const numbers = (field: string, range: Range, schedule: string): string =>
  field === "*" ? "*" : valuesOf(field, range, schedule).map(two).join(",");

const two = (value: number): string => String(value).padStart(2, "0");

/** All values of a field, in their order. */
function valuesOf(field: string, [from, to]: Range, schedule: string): number[] {
  const values = field.split(",").flatMap((part) => {
    const [, star, first, last, step] = /^(?:(\*)|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part) ?? [];
    if (star === undefined && first === undefined) throw unknownField(field, schedule);
    const begin = star ? from : Number(first);
    const end = star || (step !== undefined && last === undefined) ? to : Number(last ?? first);
    return Array.from({ length: Math.floor((end - begin) / Number(step ?? 1)) + 1 }, (_, index) => begin + index * Number(step ?? 1));
  });
  return [...new Set(values)].sort((a, b) => a - b);
}

const unknownField = (field: string, schedule: string) =>
  new LandfallError({
    code: "CONFIG_WRONG_VALUE",
    what: `"${field}" in the schedule "${schedule}" cannot be put into a timer of systemd`,
    why: "On a machine of its own a job is started by systemd, which knows values, lists, ranges, steps, names, “L” and “#”.",
    standing: "Nothing was changed.",
    next: "write the days as numbers or names",
  });
