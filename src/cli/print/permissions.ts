// Permissions that are wider than one environment, with the reasons.
import type { CommandPermissions } from "../../index.ts";

export function describeReasons(permissions: readonly CommandPermissions[]): string {
  return permissions
    .map(({ commands, reasons }) => {
      const lines = reasons.flatMap(({ reason, actions }) => [`  ${reason}`, ...actions.map((action) => `    ${action}`)]);
      return [commands.join(", "), ...(lines.length > 0 ? lines : ["  every call is limited to this environment"])].join("\n");
    })
    .join("\n\n");
}
