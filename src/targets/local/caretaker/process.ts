// The caretaker as a process under the supervisor: there as long as the environment stands.
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import type { Context } from "../context.ts";
import type { SupervisorApi } from "../supervisor/api.ts";

export async function bringUpCaretaker({ deployment, paths }: Context, supervisor: SupervisorApi): Promise<void> {
  const { PATH = "/usr/bin:/bin", TMPDIR } = process.env;
  await supervisor.start({
    id: "caretaker",
    kind: "job",
    argv: [process.execPath, fileURLToPath(new URL("./main.js", import.meta.url)), deployment.app, deployment.environment],
    cwd: paths.environment,
    // A supervisor that it starts is like one that a command starts.
    env: { PATH, HOME: homedir(), ...(TMPDIR ? { TMPDIR } : {}), LANDFALL_HOME: paths.home },
    secretEnv: {},
    restart: "always",
    stop: { signal: "SIGTERM", timeoutMs: 15_000 },
  });
}
