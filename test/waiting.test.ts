// `--wait` where it is offered beside the operations of a target: they wait for who is under way, or refuse, as those do (test/targets/laws.ts).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rehearse } from "../src/app.ts";
import { launch } from "../src/launch.ts";
import type { Progress } from "../src/progress.ts";
import { withLease } from "../src/state/lease.ts";
import { systemClock } from "../src/system/clock.ts";
import { tryFileLock } from "../src/system/file-lock.ts";
import { pathsOf } from "../src/targets/local/paths.ts";

const folder = mkdtempSync(join(tmpdir(), "landfall-waiting-"));
const home = join(folder, "home");

beforeAll(() => {
  process.env.LANDFALL_HOME = home;
  const app = { name: "waits", services: { web: { command: "node server.js", port: 3000 } } };
  writeFileSync(join(folder, "landfall.config.mjs"), `export default ${JSON.stringify(app)};\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Options {
  emit: (event: Progress) => void;
  signal: AbortSignal;
  wait: boolean;
}

const underLease = <T>(act: () => Promise<T>): Promise<T> =>
  withLease({ file: pathsOf(home, "waits", "local").lease, clock: systemClock, operation: "deploy" }, act);

async function underLock<T>(act: () => Promise<T>): Promise<T> {
  mkdirSync(join(home, "rehearse", "running"), { recursive: true });
  const lock = tryFileLock(join(home, "rehearse", "running", "waits-local.lock"));
  try {
    return await act();
  } finally {
    lock?.release();
  }
}

describe.each([
  ["launch", underLease, (options: Options) => launch(folder, 1, { ...options, dirty: true })],
  ["rehearse", underLock, (options: Options) => rehearse("local", { folder, ...options })],
] as const)("%s, while another operation is under way", (_, hold: <T>(act: () => Promise<T>) => Promise<T>, act) => {
  it("is refused", async () => {
    await hold(() =>
      expect(act({ emit: () => {}, signal: new AbortController().signal, wait: false })).rejects.toMatchObject({ code: "LEASE_HELD" }),
    );
  });

  it("says with wait for whom it waits, until it is interrupted", async () => {
    const said: Progress[] = [];
    const interruption = new AbortController();
    await hold(async () => {
      const waiting = act({ emit: (event) => void said.push(event), signal: interruption.signal, wait: true }).catch((error: unknown) => error);
      await expect.poll(() => said, { timeout: 20_000 }).toContainEqual({ type: "note", text: expect.stringMatching(/^waiting: /) });
      interruption.abort(new Error("interrupted"));
      expect(await waiting).toMatchObject({ code: expect.stringMatching(/LEASE_HELD|INTERRUPTED/) });
    });
  });
});
