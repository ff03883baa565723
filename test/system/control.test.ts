import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { LandfallError } from "../../src/error.ts";
import { type ControlServer, controlClient, isCutOff, isSilent, serveControl } from "../../src/system/control.ts";

interface Echo {
  echo(input: unknown): Promise<unknown>;
  fail(input: { code: boolean }): Promise<never>;
  never(): Promise<never>;
  late(input: { ms: number }): Promise<string>;
}

const folder = mkdtempSync(join(tmpdir(), "landfall-control-"));
const path = join(folder, "socket");
let server: ControlServer | undefined;
afterEach(() => void server?.close());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const serve = async () => {
  server = await serveControl<Echo>(path, {
    echo: async (input) => input,
    fail: async ({ code }) => {
      if (!code) throw new TypeError("postgres://app:hunter2@host/ is odd");
      throw new LandfallError({ code: "RELEASE_UNKNOWN", what: "there is none", standing: "Nothing was changed." });
    },
    never: () => new Promise<never>(() => {}),
    late: ({ ms }) => new Promise((resolve) => setTimeout(() => resolve("late"), ms)),
  });
  return controlClient<Echo>(path);
};
const failureOf = (promise: Promise<unknown>) => promise.then(() => undefined).catch((error: NodeJS.ErrnoException) => error);

/** In a process of its own, which tells when it is asked. */
async function serveElsewhere(name: string) {
  const control = fileURLToPath(new URL("../../dist/system/control.js", import.meta.url));
  const socket = join(folder, name);
  const program = join(folder, `${name}.mjs`);
  writeFileSync(
    program,
    `import { serveControl } from ${JSON.stringify(control)};
     await serveControl(${JSON.stringify(socket)}, { never: () => (process.send("asked"), new Promise(() => {})) });
     process.send("listening");`,
  );
  const child = fork(program);
  await once(child, "message");
  return { child, socket };
}

describe("a call", () => {
  it("brings any value there and back, however long, and many at a time", async () => {
    const client = await serve();
    const values = [null, 0, "", "two\nlines\u2028", ["ä".repeat(3_000_000)], { deep: { list: [1, true, null] } }];
    expect(await Promise.all(values.map((value) => client.echo(value)))).toEqual(values);
    expect(await client.echo(undefined)).toBeNull();
  });

  it("fails as it failed there, without secrets", async () => {
    const client = await serve();
    await expect(client.fail({ code: true })).rejects.toMatchObject({ code: "RELEASE_UNKNOWN", parts: { what: "there is none" } });
    const { message } = (await failureOf(client.fail({ code: false }))) as Error;
    expect(message).toMatch(/^fail: TypeError: postgres:\/\/.*is odd/);
    expect(message).not.toContain("hunter2");
    const unknown = controlClient<{ missing(): Promise<void> }>(path);
    await expect(unknown.missing()).rejects.toThrow("missing: no method missing");
  });

  it("is for the user alone", async () => {
    await serve();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("is cut off where nobody listens, or nobody does any more", async () => {
    const client = controlClient<Echo>(join(folder, "absent"));
    expect(await failureOf(client.echo(1))).toSatisfy(isCutOff);
    writeFileSync(join(folder, "absent"), "");
    expect(await failureOf(client.echo(1))).toSatisfy(isCutOff);
  });

  it("is cut off when the other side is killed before it has answered", async () => {
    const { child, socket } = await serveElsewhere("killed");
    const asked = once(child, "message");
    const outcome = failureOf(controlClient<Echo>(socket).never());
    expect(await asked).toContain("asked");
    child.kill("SIGKILL");
    expect(await outcome).toSatisfy(isCutOff);
  });

  it("may take long, as long as the other side lives", async () => {
    await serve();
    expect(await controlClient<Echo>(path, { silenceMs: 1_500 }).late({ ms: 3_000 })).toBe("late");
  });

  it("is given up when the other side is stopped, before or after it was asked", async () => {
    const { child, socket } = await serveElsewhere("stopped");
    const client = controlClient<Echo>(socket, { silenceMs: 1_500 });
    const asked = once(child, "message");
    const outcome = failureOf(client.never());
    await asked;
    child.kill("SIGSTOP");
    expect(await outcome).toMatchObject({ message: "it said nothing for 1.5s: it is stopped, or hangs", code: "ETIMEDOUT" });
    expect(await failureOf(client.never())).toSatisfy(isSilent);
    child.kill("SIGKILL");
  });

  it("of which a part came is not performed", async () => {
    const client = await serve();
    const socket = connect(path);
    socket.end('{"method":"echo","input":');
    expect(await text(socket)).toBe("");
    expect(await client.echo("still there")).toBe("still there");
  });
});
