// From the five fields of cron to the six of EventBridge. Pure.
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/**
 * EventBridge counts weekdays from 1, a Sunday, and wants to be told which of the two kinds of day is not looked at. A schedule that
 * restricts both is refused before it comes here.
 *
 * @example eventBridgeCron("15 3 * * 1") // "15 3 ? * 2 *"
 */
export function eventBridgeCron(schedule: string): string {
  const [minute, hour, day, month, weekday = "*"] = schedule.trim().toUpperCase().split(/\s+/);
  return [minute, hour, weekday === "*" ? day : "?", month, weekday === "*" ? "?" : weekdays(weekday), "*"].join(" ");
}

/** Ranges are written out: one that ends with a 7 would wrap around. */
function weekdays(field: string): string {
  const parts = field.replace(/[A-Z]{3}/g, (name) => (DAYS.includes(name) ? String(DAYS.indexOf(name)) : name)).split(",");
  const days = parts.flatMap((part) => {
    const [, day, nth] = /^([0-7])#([1-5L])$/.exec(part) ?? [];
    if (day !== undefined) return [`${number(Number(day))}${nth === "L" ? "L" : `#${nth}`}`];
    const [, first, last, step] = /^(\*|[0-7])(?:-([0-7]))?(?:\/(\d+))?$/.exec(part) ?? [];
    const from = first === "*" ? 0 : Number(first);
    const to = Number(last ?? (first === "*" || step !== undefined ? 6 : from));
    const by = Number(step ?? 1);
    return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, index) => String(number(from + index * by)));
  });
  return [...new Set(days)].sort().join(",");
}

const number = (day: number) => (day % 7) + 1;
