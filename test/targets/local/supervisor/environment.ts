// An environment in a temporary folder with a real supervisor, and tiny programs to look after.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadLines } from "../../../../src/system/files.ts";
import { isRunning } from "../../../../src/system/processes.ts";
import { type Places, placesOf } from "../../../../src/targets/local/places.ts";
import type { ProcessRecord, ProcessSpec, SupervisorApi } from "../../../../src/targets/local/supervisor/api.ts";
import type { SupervisorEvent } from "../../../../src/targets/local/supervisor/events.ts";
import { ensureSupervisor } from "../../../../src/targets/local/supervisor/start.ts";
import { builtMain } from "../../../build.ts";

export interface TestEnvironment {
  places: Places;
  supervisor(): Promise<SupervisorApi>;
  /** kill -9, and waits until it is gone. */
  crashSupervisor(): Promise<void>;
  record(id: string): Promise<ProcessRecord>;
  /** Resolves with the first event that matches. */
  event(matches: (event: SupervisorEvent) => boolean): Promise<SupervisorEvent>;
  remove(): Promise<void>;
}

export async function makeEnvironment(depth = ""): Promise<TestEnvironment> {
  await builtMain("targets/local/supervisor/main.js");
  const home = mkdtempSync(join(tmpdir(), "landfall-test-"));
  const places = placesOf(join(home, depth), "app", "local");
  mkdirSync(places.environment, { recursive: true });
  const supervisor = () => ensureSupervisor(places);
  return {
    places,
    supervisor,
    async crashSupervisor() {
      const { supervisor: identity } = await (await supervisor()).observe();
      process.kill(identity.pid, "SIGKILL");
      await until(() => !isRunning(identity));
    },
    async record(id) {
      const { processes } = await (await supervisor()).observe();
      const found = processes.find(({ spec }) => spec.id === id);
      if (!found) throw new Error(`no record of ${id}`);
      return found;
    },
    event: (matches) => eventIn(places, matches),
    async remove() {
      await (await supervisor()).shutdown();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

async function eventIn(places: Places, matches: (event: SupervisorEvent) => boolean): Promise<SupervisorEvent> {
  const watcher = watch(places.environment);
  try {
    for (;;) {
      const found = loadLines<SupervisorEvent>(places.events).find(matches);
      if (found) return found;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        watcher.once("change", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  } finally {
    watcher.close();
  }
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** A process that runs a line of JavaScript. */
export function program(id: string, code: string, rest: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    id,
    kind: "instance",
    service: id.split(".")[0],
    release: "r1",
    argv: [process.execPath, "-e", code],
    cwd: tmpdir(),
    env: { PATH: process.env.PATH ?? "" },
    secretEnv: {},
    restart: "always",
    stop: { signal: "SIGTERM", timeoutMs: 5_000 },
    ...rest,
  };
}

/** What a process has written, as far as the supervisor has taken it over; a line it is just writing is not one yet. */
export function linesOf(places: Places, id: string): string[] {
  return readFileSync(join(places.logs, `${id}.jsonl`), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((text) => JSON.parse(text) as { line?: string })
    .flatMap(({ line }) => line ?? []);
}
