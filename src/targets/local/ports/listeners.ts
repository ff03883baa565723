// The sockets of a process group and whether it works, as the kernel knows them (Linux; elsewhere nothing is known).
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";

export interface Listener {
  /** `127.0.0.1`, `0.0.0.0`, `::`, `::1`. */
  host: string;
  port: number;
}

export interface GroupLook {
  listens: Listener[];
  /** Time on a processor, and in the queue for one: what would work and is kept waiting by others is not at rest. */
  busyMs: number;
  processes: number;
}

/** The column of the state, as the kernel prints it. */
const STATE_LISTEN = " 0A ";
const STATE_SYN_RECEIVED = " 03 ";
/** The unit of the times in /proc: USER_HZ, which is 100 on every architecture that Linux has kept. */
const TICK_MS = 10;

/** A table of all connections is long on a busy machine: it is read again when the group has new sockets, else now and then. */
const TABLE_AGE_MS_MAX = 1_000;

/** Looks at one group again and again. */
export class GroupWatch {
  readonly leader: number;
  #known = new Set<string>();
  #readAt = Number.NEGATIVE_INFINITY;
  #table: ListeningSocket[] = [];

  constructor(leaderPid: number) {
    this.leader = leaderPid;
  }

  /** Undefined where the kernel does not tell. */
  look(): GroupLook | undefined {
    if (process.platform !== "linux") return undefined;
    const members = membersOf(this.leader);
    const inodes = new Set(members.flatMap(({ pid }) => socketsOf(pid)));
    if ([...inodes].some((inode) => !this.#known.has(inode)) || performance.now() - this.#readAt > TABLE_AGE_MS_MAX) {
      this.#table = inodes.size > 0 ? listeningSockets() : [];
      this.#readAt = performance.now();
    }
    this.#known = inodes;
    return {
      listens: unique(this.#table.filter((socket) => inodes.has(socket.inode))),
      busyMs: members.reduce((sum, { pid, cpuMs }) => sum + cpuMs + queuedMs(pid), 0),
      processes: members.length,
    };
  }
}

export interface Holder {
  pid: number;
  /** Its leader's pid. */
  group: number;
  command: string;
}

/**
 * The process that gets connections to 127.0.0.1 on that port, when it is not of the group and was not started for `instance` either
 * (a program may leave its group, and keeps its environment). Undefined when it belongs there, or when nobody can tell. Without a group,
 * which has ended, everybody is foreign.
 */
export function findForeignHolder(port: number, groupPid: number | undefined, instance: string): Holder | undefined {
  if (process.platform !== "linux") return undefined;
  const inodes = nearestInodes(port);
  const members = groupPid === undefined ? [] : membersOf(groupPid);
  const held = new Set(members.flatMap(({ pid }) => socketsOf(pid).filter((inode) => inodes.has(inode))));
  if (inodes.size === held.size) return undefined;
  const [holder] = holdersOf(new Set([...inodes].filter((inode) => !held.has(inode))));
  return holder && isOf(instance, holder.pid) ? undefined : holder;
}

/** Looks again and again at whose an instance's port is. Its owner is looked for only when the socket is another than the last that was its own. */
export class PortWatch {
  readonly #port: number;
  readonly #instance: string;
  #own = "";

  constructor(port: number, instance: string) {
    this.#port = port;
    this.#instance = instance;
  }

  isForeign(groupPid: number): boolean {
    if (process.platform !== "linux") return false;
    const sockets = [...nearestInodes(this.#port)].sort().join(" ");
    if (sockets === this.#own) return false;
    if (findForeignHolder(this.#port, groupPid, this.#instance)) return true;
    this.#own = sockets;
    return false;
  }
}

/** The process that gets connections to 127.0.0.1 on that port. Undefined when there is none, or when nobody can tell. */
export const findNearestHolder = (port: number): Holder | undefined => (process.platform === "linux" ? holdersOf(nearestInodes(port))[0] : undefined);

function nearestInodes(port: number): Set<string> {
  // The more exact address gets the connection, and the most exact is in the first table.
  const sockets = loadListening("tcp").filter((socket) => socket.port === port);
  if (!sockets.some(({ host }) => host === "127.0.0.1")) sockets.push(...loadListening("tcp6").filter((socket) => socket.port === port));
  const nearest = ["127.0.0.1", "0.0.0.0", "::"].map((host) => sockets.filter((socket) => socket.host === host)).find((group) => group.length > 0);
  return new Set(nearest?.map(({ inode }) => inode));
}

const isOf = (instance: string, pid: number): boolean => readText(`/proc/${pid}/environ`).split("\0").includes(`LANDFALL_INSTANCE=${instance}`);

const asHolder = ({ pid, group }: Process): Holder => ({ pid, group, command: readText(`/proc/${pid}/comm`).trim() });

/** The process that listens on that port, at whatever address. */
export function findHolder(port: number): Holder | undefined {
  if (process.platform !== "linux") return undefined;
  return holdersOf(new Set(listeningSockets().flatMap((socket) => (socket.port === port ? [socket.inode] : []))))[0];
}

/** Going through the files of all processes takes long where there are many; a socket has one holder as long as it lives. */
const holders = new Map<string, Holder>();

function holdersOf(inodes: Set<string>): Holder[] {
  const missing = [...inodes].filter((inode) => !holders.has(inode));
  for (const process of missing.length > 0 ? allProcesses() : []) {
    const held = socketsOf(process.pid).filter((inode) => missing.includes(inode));
    for (const inode of held) holders.set(inode, asHolder(process));
  }
  return [...inodes].flatMap((inode) => holders.get(inode) ?? []);
}

interface Process {
  pid: number;
  group: number;
  cpuMs: number;
}

/** The leader and what descends from it in its group; of kernels that do not list children, whatever is in the group. */
function membersOf(leaderPid: number): Process[] {
  if (!existsSync(`/proc/self/task/${process.pid}/children`)) return allProcesses().filter(({ group }) => group === leaderPid);
  const members: Process[] = [];
  const waiting = [leaderPid];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    const process = readProcess(pid);
    if (process?.group === leaderPid) members.push(process);
    const children = readNames(`/proc/${pid}/task`).flatMap((task) => readText(`/proc/${pid}/task/${task}/children`).split(" "));
    waiting.push(...children.filter(Boolean).map(Number));
  }
  return members;
}

const allProcesses = (): Process[] => readNames("/proc").flatMap((name) => (/^\d+$/.test(name) ? (readProcess(Number(name)) ?? []) : []));

function readProcess(pid: number): Process | undefined {
  const fields = readText(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
  // In proc(5)'s numbering: 3 state, 5 process group, 14 and 15 time in user and kernel mode.
  if (fields[0] === "Z" || fields.length < 13) return undefined;
  return { pid, group: Number(fields[2]), cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
}

/** Zero where the kernel keeps no such account. */
function queuedMs(pid: number): number {
  const tasks = readNames(`/proc/${pid}/task`).map((task) => readText(`/proc/${pid}/task/${task}/schedstat`));
  return tasks.reduce((sum, text) => sum + Number(text.split(" ")[1] ?? 0) / 1e6, 0);
}

function socketsOf(pid: number): string[] {
  return readNames(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return [];
    }
  });
}

interface ListeningSocket extends Listener {
  inode: string;
}

const listeningSockets = (): ListeningSocket[] => [...loadListening("tcp"), ...loadListening("tcp6")];

const loadListening = (table: "tcp" | "tcp6"): ListeningSocket[] =>
  loadListeningRows(`/proc/net/${table}`)
    .map((row) => row.trim().split(/\s+/))
    .map((row) => ({ ...readAddress(row[1] ?? ""), inode: row[9] ?? "" }));

const PIECE_BYTES = 4096;

/** The kernel writes those that listen first. The connections, of which there may be thousands, take it many milliseconds: they are not read. */
function loadListeningRows(file: string): string[] {
  let rows: string[] = [];
  let handle: number | undefined;
  try {
    handle = openSync(file, "r");
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let text = ""; rows.every(isBeforeConnections); rows = text.split("\n").slice(1, -1)) {
      const length = readSync(handle, piece);
      if (length === 0) break;
      text += piece.toString("latin1", 0, length);
    }
  } catch {
    // A kernel without that protocol.
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
  return rows.filter((row) => row.includes(STATE_LISTEN));
}

/** Old kernels list what is about to be accepted with what listens. */
const isBeforeConnections = (row: string): boolean => row.includes(STATE_LISTEN) || row.includes(STATE_SYN_RECEIVED);

const unique = (listeners: Listener[]): Listener[] => [...new Map(listeners.map(({ host, port }) => [`${host} ${port}`, { host, port }])).values()];

/** The kernel writes each 32-bit word of the address in the machine's byte order. */
function readAddress(hex: string): Listener {
  const [address = "", port = ""] = hex.split(":");
  const bytes = (address.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)));
  return { host: describeHost(bytes), port: Number.parseInt(port, 16) };
}

function describeHost(bytes: number[]): string {
  if (bytes.length === 4) return bytes.join(".");
  const isMapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (isMapped) return bytes.slice(12).join(".");
  const words = Array.from({ length: 8 }, (_, index) => ((bytes[index * 2] ?? 0) * 256 + (bytes[index * 2 + 1] ?? 0)).toString(16));
  return words.join(":").replace(/(?:^|:)0(?::0)+(?::|$)/, "::");
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
