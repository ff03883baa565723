// Which addresses a process group listens on, from the kernel's own tables (Linux; elsewhere nothing is known).
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const LISTEN = "0A";

/** `["127.0.0.1:5001"]`. Empty when it listens nowhere, or where the tables cannot be read. */
export async function observeListeners(groupPid: number): Promise<string[]> {
  if (process.platform !== "linux") return [];
  const inodes = new Set(membersOf(groupPid).flatMap(socketsOf));
  return [...new Set(["tcp", "tcp6"].flatMap((table) => listening(table, inodes)))];
}

function membersOf(groupPid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => Number(readText(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ")[2]) === groupPid);
}

function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

function listening(table: string, inodes: Set<string>): string[] {
  return readText(`/proc/net/${table}`)
    .split("\n")
    .slice(1)
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[3] === LISTEN && inodes.has(row[9] ?? ""))
    .map((row) => describeAddress(row[1] ?? ""));
}

/** The kernel writes each 32-bit word of the address in the machine's byte order. */
function describeAddress(hex: string): string {
  const [address = "", port = ""] = hex.split(":");
  const bytes = (address.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)));
  const host = bytes.length === 4 ? bytes.join(".") : bytes.every((byte) => byte === 0) ? "[::]" : "[IPv6]";
  return `${host}:${Number.parseInt(port, 16)}`;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
