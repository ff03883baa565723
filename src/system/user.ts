// Who runs this process.
import { userInfo } from "node:os";

export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "");
  }
}

/** `alice`, or `alice (as root)` under sudo. */
export const describeUser = (): string => (process.env.SUDO_USER ? `${process.env.SUDO_USER} (as ${userName()})` : userName());
