// What a release needs of the place that it goes to. The plan (`rollout/stages.ts`) and everything that performs it know a place only by this. There
// are two: an account on AWS (`account/`), and machines that are booted on this one for a rehearsal (`src/rehearse/`).

import type { Deployment } from "../../../config/deployment.ts";
import type { LandfallError } from "../../../error.ts";
import type { TaskWork } from "../../../machine/index.ts";
import type { Emit } from "../../../progress.ts";
import type { Release } from "../../../release/release.ts";
import type { Source } from "../../../release/source.ts";
import type { Judged } from "../../../rollout/verdict.ts";
import type { Clock } from "../../../system/clock.ts";
import type { SecretUsers } from "../../preconditions.ts";
import type { ObjectStore } from "../account/objects.ts";
import type { EnvironmentOutputs } from "../environment-outputs.ts";
import type { Rules, Running, Slot, Standing } from "../templates/shared/running.ts";
import type { Architecture } from "./architecture.ts";

/** What every operation on releases works with. */
export interface ReleaseContext {
  deployment: Deployment;
  folder: string;
  clock: Clock;
  emit: Emit;
  signal?: AbortSignal;
  driver: ReleaseDriver;
}

/** For what moves fleets and requests alone. */
export type PerformContext = Omit<ReleaseContext, "driver"> & { driver: Pick<ReleaseDriver, "fleets"> };

export interface ReleaseDriver {
  region: string;
  /** What the environment gives to the machines of a release. */
  outputs: Pick<EnvironmentOutputs, "find" | "get">;
  /** The name of the artifact bucket, as machines are told it. */
  bucket: string;
  /** What is in that bucket: archives, records, and what machines report. */
  objects: ObjectStore;
  /** Changes with every secret that is set or removed. Of the configuration's secrets, or of `users`. Errors: SECRET_MISSING. */
  secretsRevision(users?: SecretUsers): Promise<string>;
  fleets: FleetDriver;
  tasks: TaskDriver;
  images: ImageDriver;
  /** Absent where no service runs as containers. */
  containers?: ContainerDriver;
}

export interface FleetName {
  service: string;
  slot: Slot;
}

export interface Trial {
  service: string;
  canary: Slot;
  baseline: Slot;
}

export interface RoutesChange {
  /** With the shares of the requests. */
  running: Running;
  rules?: Rules;
  /** For so long `slots` are watched. */
  watchMs?: number;
  slots?: FleetName[];
}

/** The fleets of an environment, and the requests that are led to them. */
export interface FleetDriver {
  /** What serves: the fleets with their shares of the requests, and the rules in force. */
  observe(): Promise<Standing>;
  /**
   * Brings up, replaces and removes until exactly these fleets run; requests go where they went. Of a service that ran before (`from`) and neither
   * runs any more nor is configured nothing is left. On the way back (`isBack`) all that fails is tried as often as the place tries it, since
   * nothing better is left. Errors: with what the machines said.
   */
  change(running: Running, from: Running, options?: { isBack?: boolean }): Promise<void>;
  /** Leads requests by these rules and shares, in one change; goes back when the fleets that it watches turn out unhealthy within its time. */
  route(change: RoutesChange): Promise<void>;
  /** What the balancer finds of each of these fleets. */
  health(fleets: FleetName[]): Promise<FleetHealth[]>;
  /** What canaries and their baselines have answered since this was called, as it becomes known. Ends only with whoever asks. */
  outcomes(trials: Trial[]): AsyncIterable<HeardOutcomes>;
  /** The healthy instances with the processes of another release than this one. */
  serving(exceptRelease: string): Promise<{ instance: string; service: string }[]>;
  /** Runs a script on an instance, as root, and gives what it printed. */
  run(instance: string, script: string): Promise<string>;
}

export interface FleetHealth {
  healthy: number;
  wanted: number;
  /** Why not all are. */
  explain(): Promise<LandfallError>;
}

export interface HeardOutcomes {
  /** By service. */
  fresh: Record<string, Judged>;
  /** Since the judging began. */
  elapsedMs: number;
}

/** A disk that machines begin with. */
export interface MachineImage {
  /** `ami-…` on AWS. */
  id: string;
  /** Of its disk. */
  gib: number;
}

/** Something that a machine of its own does once: making an image, building a release, running a release phase. */
export interface OneOffTask {
  work: TaskWork;
  /** What it is about, the same each time it is tried: the `bake` of one hash is one task. */
  about: string;
  /** The step of the progress that its output belongs to. */
  step: string;
  timeoutMs: number;
  architecture: Architecture;
  /** What its machine begins with; a bare Debian when left out. */
  image?: MachineImage;
  /** The service whose rights it has; when left out it has those of a builder, which reaches out and nothing of the environment. */
  service?: string;
  tags?: Record<string, string>;
}

/** How it went, in the machine's own words. */
export interface TaskReport {
  ok: boolean;
  /** The step that failed. */
  step?: string;
  code?: number;
  /** The last lines of its output. */
  tail: string[];
  /** Of a build: the archive that it uploaded. */
  sha256?: string;
}

export interface TaskMachine {
  /** Of the task: reports go to `reports/<id>/`. */
  id: string;
  instance: string;
}

/** The machines of one-off tasks. */
export interface TaskDriver {
  /** The machine of the task of this name (`taskName`) that a run which was cut off has started. */
  find(name: string): Promise<TaskMachine | undefined>;
  start(task: OneOffTask, start: TaskStart): Promise<TaskMachine>;
  observe(machine: TaskMachine): Promise<MachineState>;
  /** The last lines of its console, where they are known. */
  lastLines(machine: TaskMachine): Promise<string[]>;
  /** Ends and removes it, whatever it does. */
  end(machine: TaskMachine): Promise<void>;
}

export interface TaskStart {
  id: string;
  name: string;
  userData: string;
}

/** `unknown`: nothing is known of it, not yet or not any more. */
export interface MachineState {
  is: "on" | "off" | "unknown";
  /** As the place calls it. */
  word: string;
}

export interface ImageName {
  hash: string;
  architecture: Architecture;
}

export interface ImageDriver {
  /** `ready` is false while an image is still being made that a run which was cut off has asked for. */
  find(name: ImageName): Promise<{ image: MachineImage; ready: boolean } | undefined>;
  /** Begins an image of the disk of a machine whose task is done, and gives its id. */
  keep(machine: TaskMachine, name: ImageName): Promise<string>;
  /** Until machines can be booted from it. */
  wait(id: string): Promise<MachineImage>;
}

/** By service, its container image: `…/name@sha256:…`. */
export type ContainerImages = Record<string, string>;

export interface ContainerPhase {
  release: Release;
  image: string;
  service: string;
  phase: string;
  command: string;
  timeoutMs: number;
}

export interface ContainerDriver {
  /** An image for each service of the release that runs as containers, made if need be. */
  ensure(release: Release, source: Source): Promise<ContainerImages>;
  /** Errors: RELEASE_UNKNOWN when one of them is not there any more. */
  require(images: ContainerImages, release: string): Promise<void>;
  /** Runs a command of a release in a container of its own, with the rights of a service. */
  run(phase: ContainerPhase): Promise<TaskReport>;
}
