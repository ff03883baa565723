import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { observeHolder, withLease } from "../../src/state/lease.ts";
import { systemClock } from "../../src/system/clock.ts";

function makeFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "landfall-lease-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "environment", "lease.json");
}

const leaseOf = (file: string, operation: string, rest: { wait?: boolean; onWait?: (text: string) => void } = {}) => ({
  file,
  clock: systemClock,
  operation,
  ...rest,
});

it("lets one operation at a time, and names the one that holds it", async () => {
  const file = makeFile();
  await withLease(leaseOf(file, "deploy"), async () => {
    await expect(withLease(leaseOf(file, "scale"), async () => "never")).rejects.toMatchObject({
      code: "LEASE_HELD",
      exitCode: 3,
      parts: {
        what: '"scale" has to wait: another operation holds this environment',
        why: expect.stringMatching(new RegExp(`^"deploy" runs since \\d{4}-.*Z \\(process ${process.pid}, user .+\\)$`)),
        standing: "Nothing was changed.",
        next: "run the command again when the other has ended, or with --wait",
      },
    });
    expect(observeHolder(file)).toMatchObject({ operation: "deploy", pid: process.pid });
  });
  expect(observeHolder(file)).toBeUndefined();
  // Freed by an end and by a failure alike.
  await expect(withLease(leaseOf(file, "deploy"), () => Promise.reject(new Error("broke")))).rejects.toThrow("broke");
  expect(await withLease(leaseOf(file, "deploy"), async () => "done")).toBe("done");
});

it("waits when it is told to, and says for whom", async () => {
  const file = makeFile();
  const order: string[] = [];
  let second: Promise<unknown> = Promise.resolve();
  await withLease(leaseOf(file, "deploy"), async () => {
    await new Promise<void>((resolve) => {
      const onWait = (text: string) => {
        order.push(text);
        resolve();
      };
      second = withLease(leaseOf(file, "scale", { wait: true, onWait }), async () => order.push("scale"));
    });
    order.push("deploy");
  });
  await second;
  expect(order).toEqual([expect.stringMatching(/^waiting: "deploy" runs since/), "deploy", "scale"]);
});

/** A process of its own that takes the lease, says so, and holds it until it is killed. It says "lost" when it may not go on. */
async function spawnHolder(file: string) {
  const path = (name: string) => JSON.stringify(fileURLToPath(new URL(`../../src/${name}`, import.meta.url)));
  const code = `
    import { withLease } from ${path("state/lease.ts")};
    import { systemClock } from ${path("system/clock.ts")};
    await withLease({ file: ${JSON.stringify(file)}, clock: systemClock, operation: "deploy" }, async (lease) => {
      console.log("held");
      for (;;) {
        await systemClock.sleep(20);
        try { lease.verify(); } catch (error) { console.log(error.code); return; }
      }
    });`;
  const jiti = fileURLToPath(new URL("../../node_modules/jiti/lib/jiti-cli.mjs", import.meta.url));
  const main = join(file, "..", "..", "holder.ts");
  writeFileSync(main, code);
  const child = spawn(process.execPath, [jiti, main], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = once(child.stdout, "data");
  await said;
  return child;
}

it("is free the moment its holder is killed", async () => {
  const file = makeFile();
  const child = await spawnHolder(file);
  await expect(withLease(leaseOf(file, "scale"), async () => "never")).rejects.toMatchObject({ code: "LEASE_HELD" });
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  expect(observeHolder(file)).toBeUndefined();
  expect(await withLease(leaseOf(file, "scale"), async () => "done")).toBe("done");
});

it("expires when its holder does nothing any more; that one then stops where it is", async () => {
  const file = makeFile();
  const child = await spawnHolder(file);
  child.kill("SIGSTOP");
  const before = statSync(file).ino;
  // Half a minute later, as far as the one who wants it can tell.
  const later = { ...systemClock, now: () => Date.now() + 31_000 };
  const said = once(child.stdout as NodeJS.ReadableStream, "data");
  await withLease({ ...leaseOf(file, "scale"), clock: later }, async (lease) => {
    expect(statSync(file).ino).not.toBe(before);
    child.kill("SIGCONT");
    expect(String((await said)[0])).toBe("LEASE_LOST\n");
    lease.verify();
  });
  expect(existsSync(`${file}.expired`)).toBe(false);
});
