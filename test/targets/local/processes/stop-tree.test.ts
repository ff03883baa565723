import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { PACKAGES } from "../../../end-to-end/workers.ts";
import { isOnPath } from "../../../programs.ts";
import { ensurePython, hasPython } from "../../../python.ts";
import { requires } from "../../../skips.ts";
import { CASES, type Case, PROGRAMS, SHELLS, saidOf } from "../../../stopping.ts";
import { linesOf, makeEnvironment, program, type TestEnvironment, until } from "../supervisor/environment.ts";

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await makeEnvironment();
});
afterAll(() => environment.remove());

const env = { PATH: process.env.PATH ?? "", HOME: "/tmp", ...PROGRAMS };
let number = 0;

async function stopped(shell: string, one: Case, timeoutMs = 5_000): Promise<{ ignored: boolean; says: string[] }> {
  const id = `web.${++number}`;
  const supervisor = await environment.supervisor();
  await supervisor.start(program(id, "", { argv: [shell, "-c", one.line], env, restart: "never" }));
  await until(() => linesOf(environment.paths, id).filter((line) => line.endsWith("up")).length === (one.ups ?? 1));
  const { ignored } = await supervisor.stop({ id, stop: { signal: "SIGTERM", timeoutMs } });
  return { ignored, says: saidOf(linesOf(environment.paths, id), one) };
}

requires("dash, bash and npx", [...SHELLS, "npx"].every(isOnPath))("what has a job in hand finishes it, and is asked once:", () => {
  it.each(CASES)("$name ($shell)", async (one) => {
    expect(await stopped(one.shell, one)).toEqual({ ignored: false, says: one.says });
  });
});

it("what does not end in time is killed, whoever is still there, and that is said", async () => {
  const one = { name: "", line: 'node -e "$WORKER"; :', says: [] };
  expect(await stopped("sh", one, 300)).toEqual({ ignored: true, says: ["up", "asked"] });
  expect(environment.events().at(-1)).toMatchObject({ type: "killed", text: "did not end 300 ms after SIGTERM and was killed" });
});

it("a job whose time is over finishes what it has in hand", async () => {
  const supervisor = await environment.supervisor();
  const spec = program("report", "", { kind: "job", argv: ["sh", "-c", 'node -e "$PARENT"; :'], env });
  expect(await supervisor.run({ spec, timeoutMs: 400 })).toMatchObject({ timedOut: true, exit: { lastLines: ["up", "asked", "done", "gone"] } });
});

it("a worker that is asked to stop finishes its job when the supervisor dies meanwhile", async () => {
  const supervisor = await environment.supervisor();
  await supervisor.start(program("worker.1", "", { argv: ["sh", "-c", 'node -e "$WORKER"; :'], env }));
  await until(() => linesOf(environment.paths, "worker.1").includes("up"));
  const stop = supervisor.stop({ id: "worker.1" });
  await until(() => linesOf(environment.paths, "worker.1").includes("asked"));
  await environment.crashSupervisor();
  expect(await stop).toMatchObject({ ignored: false });
  expect(linesOf(environment.paths, "worker.1").at(-1)).toBe("done");
});

requires("python3 with venv", hasPython())("a server of Python answers what its children have in hand:", () => {
  const SERVER = `
import asyncio, time

def wsgi(environ, start):
    time.sleep(1)
    start("200 OK", [("Content-Length", "4")])
    return [b"done"]

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(1)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})
`;

  it.each([
    ["gunicorn", "gunicorn server:wsgi --workers 2 --bind 127.0.0.1:$PORT"],
    ["uvicorn", "uvicorn server:asgi --workers 2 --lifespan off --port $PORT"],
    ["gunicorn under a shell", "gunicorn server:wsgi --workers 2 --bind 127.0.0.1:$PORT; :"],
  ])("%s", async (_, command) => {
    const python = ensurePython(PACKAGES);
    writeFileSync(join(environment.paths.environment, "server.py"), SERVER);
    const id = `web.${++number}`;
    const argv = ["sh", "-c", `"$PYTHON" -m ${command}`];
    const supervisor = await environment.supervisor();
    const { port } = await supervisor.start(
      program(id, "", { argv, env: { ...env, PYTHON: python }, cwd: environment.paths.environment, port: "free" }),
    );
    const ask = async () => (await fetch(`http://127.0.0.1:${port}/`)).text();
    await until(() =>
      ask().then(
        () => true,
        () => false,
      ),
    );
    const answers = [ask(), ask()];
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await supervisor.stop({ id })).toMatchObject({ ignored: false });
    expect(await Promise.all(answers)).toEqual(["done", "done"]);
  });
});
