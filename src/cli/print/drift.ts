// Drift: changes made by hand.
import type { Drift } from "../../index.ts";
import type { Paint } from "./terminal.ts";

export function describeDrift(drift: Drift[], paint: Paint): string {
  if (drift.length === 0) return "";
  const lines = drift.flatMap(({ of, kind, name, differences }) => [
    `  ${of}: ${kind} ${name}${differences.length === 0 ? " is gone" : ""}`,
    ...differences.map(({ property, before, after }) => `    ${property}: made as ${before ?? "nothing"}, is now ${after ?? "nothing"}`),
  ]);
  return [paint("red", "changed by hand, not by Landfall"), ...lines].join("\n");
}
