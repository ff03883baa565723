// The interface of the supervisor. Instances, resources and the balancer are all processes.
import type { Exit } from "../../../reports.ts";
import type { ProcessIdentity } from "../../../system/processes.ts";
import type { Edge, Handling, InstanceTraffic, TrafficQuestion } from "../balancer/api.ts";

export type { Exit };

export interface ProcessSpec {
  /** Unique in the environment and safe as a file name: `web.1.7f3c2a1b`, `balancer`, `resource.database`. */
  id: string;
  kind: "instance" | "resource" | "balancer" | "job";
  /** For instances and jobs. */
  service?: string;
  release?: string;
  /** From 1; for instances. */
  slot?: number;
  /** Program and arguments; no shell is added. */
  argv: string[];
  cwd: string;
  /** The whole environment but the secrets: nothing is inherited. */
  env: Record<string, string>;
  /** Variable → name in the secrets store. Resolved each time it is started; never written to disk. */
  secretEnv: Record<string, string>;
  /** The process listens; a free port is found and given as PORT, unless the spec has one already. */
  port?: number | "free";
  /** Ports of 127.0.0.1 whose sockets the supervisor holds and the process serves, so that nobody is refused while it is started again. */
  listen?: number[];
  uid?: number;
  gid?: number;
  restart: "always" | "never";
  stop: { signal: NodeJS.Signals; timeoutMs: number };
  /** Jobs: cron expression (UTC) and the most a run may take. A spec with a schedule is not started at once. */
  schedule?: { cron: string; timeoutMs: number };
}

export interface ProcessRecord {
  spec: ProcessSpec;
  /** `failed`: it crashed so often in a row that it is not started any more. */
  state: "scheduled" | "running" | "restarting" | "stopping" | "exited" | "failed";
  /** The process group's leader. */
  group?: ProcessIdentity;
  /** The program itself: what a person would look for in `ps`. */
  pid?: number;
  port?: number;
  since: number;
  restarts: number;
  lastExit?: Exit;
  /** In the balancer: gets requests, finishes what it has, or neither. */
  traffic: "attached" | "draining" | "none";
  /** Attached with a share: the fraction (0 to 1) of its service's requests. Without one it divides the rest with the others. */
  share?: number;
  /** Kept warm for a switch back, until then (milliseconds since 1970). */
  warm?: KeepWarm;
}

export interface KeepWarm {
  id: string;
  until: number;
  drainPath?: string;
  /** The name by which the app is told. */
  drainHost?: string;
  drainMs: number;
}

/** How instances of a service are handled, by the balancer and by the supervisor. */
export interface Handled extends Handling {
  /** When one that fails its check is replaced. Zero is never; absent for what has no check. */
  liveness?: { replaceAfterMs: number; startupMs: number };
}

/** What the balancer is told besides the instances, and how those of each release are handled, by service. */
export interface HandledEdge extends Edge {
  handling: Record<string, Record<string, Handled>>;
}

export interface SupervisorState {
  supervisor: ProcessIdentity;
  edge?: HandledEdge;
  processes: ProcessRecord[];
}

/** Each call may be repeated when its answer was lost: it then gives what the first one would have given. */
export interface SupervisorApi {
  /** All processes, or those of `ids` alone. */
  observe(input?: { ids: string[] }): Promise<SupervisorState>;
  /** Throws PORT_TAKEN when one of these ports of the balancer is somebody else's. Takes none. */
  requirePorts(input: { ports: number[] }): Promise<void>;
  /**
   * Starts it unless a process of that id runs already. Returns when it has been spawned. One that had failed starts afresh. Throws
   * PORT_TAKEN when a port of its sockets is somebody else's; a balancer that has run before starts by itself once that is free. A schedule takes
   * the place of one of that id, whose run comes to its own end, before which there is no other.
   */
  start(spec: ProcessSpec): Promise<ProcessRecord>;
  /**
   * Starts the balancer anew, with this spec, and told this if it is given. The new process serves the same sockets before the old one is asked to stop, and the old one
   * finishes what it has.
   * Throws PORT_TAKEN before anything has changed when a port that it did not have yet is somebody else's.
   */
  renew(input: { spec: ProcessSpec; edge?: HandledEdge }): Promise<ProcessRecord>;
  /**
   * Signal, wait, SIGKILL to the whole group; then forgets it. `ignored` is true when it had to be killed. Does nothing for an id that
   * is not there.
   */
  stop(input: { id: string; stop?: ProcessSpec["stop"] }): Promise<{ ignored: boolean; exit?: Exit }>;
  /**
   * Runs it once to its end, and keeps how it ended until `forget`. For an id that is there already nothing is started: the call waits
   * for the end of what runs, or gives the end that was recorded. `timedOut` when it was stopped at its budget.
   */
  run(input: { spec: ProcessSpec; timeoutMs: number }): Promise<{ exit: Exit; timedOut: boolean }>;
  /**
   * Removes the record of a process that has ended; its id may then be run again. Or a schedule, whose run comes to its own end. Leaves alone
   * what still runs, and what is not there.
   */
  forget(input: { id: string }): Promise<void>;
  /**
   * Gives an instance requests and waits until the balancer does it: the share of its service's requests (0 to 1), or without one its
   * part of what the shares leave. Attaching again with another share, or none, changes it at once.
   */
  attach(input: { id: string; share?: number }): Promise<void>;
  /** How the requests of these instances ended, as the balancer saw it. A balancer that is being started again is waited for. */
  observeTraffic(input: TrafficQuestion): Promise<InstanceTraffic[]>;
  /** No new requests; resolves when none is in hand, or at the time-out with the number still in hand. */
  drain(input: { id: string; timeoutMs: number }): Promise<{ inHand: number }>;
  /**
   * No new requests, and nothing else changes. At `until` (milliseconds since 1970), unless it was attached again, it is told to
   * drain (POST to `drainPath`, if there is one), has `drainMs` for what it still has in hand, and is stopped.
   */
  keepWarm(input: KeepWarm): Promise<void>;
  /**
   * Asks an instance that does not answer to stop, kills what is left at its time-out, and starts it again in its place. Until it is healthy it gets
   * no requests. Returns when the new one runs; `why` goes into the event.
   */
  replace(input: { id: string; why: string }): Promise<void>;
  /** What the balancer needs besides the instances. Kept, and given again to a balancer that was restarted. */
  setEdge(edge: HandledEdge): Promise<void>;
  /** Stops everything in order (jobs, instances, balancer, resources), then itself. */
  shutdown(input?: undefined): Promise<void>;
}
