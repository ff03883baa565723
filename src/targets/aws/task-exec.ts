// A command in a container of a service: ECS Exec, over the same channels as Session Manager. What comes back over them is spoken by
// AWS's own plugin only, so it has to be on this machine.
import { spawn, spawnSync } from "node:child_process";
import { LandfallError } from "../../error.ts";
import { type Context, locate } from "./context.ts";
import { CONTAINER } from "./stacks/task.ts";

const PLUGIN = "session-manager-plugin";
/** Comes after all that the command has said: the channel itself tells no status. */
const ENDED = "landfall-exec-ended:";

/** Errors: SESSION_PLUGIN_MISSING. */
export async function execInTask(
  context: Context,
  cluster: string,
  task: string,
  argv: string[],
  quote: (word: string) => string,
): Promise<{ code: number }> {
  if (spawnSync(PLUGIN, ["--version"], { stdio: "ignore" }).error) throw pluginMissing();
  const { region } = await locate(context);
  const ecs = await context.clients.ecs();
  const script = `${argv.map(quote).join(" ")}; echo; echo ${ENDED}$?`;
  const { session } = await ecs.executeCommand({ cluster, task, container: CONTAINER, interactive: true, command: `/bin/sh -c ${quote(script)}` });
  // As AWS's own command line hands it over: a token of this one session, which the plugin uses up before anybody could read it.
  const answer = JSON.stringify({ SessionId: session?.sessionId, StreamUrl: session?.streamUrl, TokenValue: session?.tokenValue });
  const child = spawn(PLUGIN, ["AWS_SSM_START_SESSION_RESPONSE", region, "StartSession", "", "{}", ""], {
    stdio: ["inherit", "pipe", "inherit"],
    env: { ...process.env, AWS_SSM_START_SESSION_RESPONSE: answer },
    signal: context.signal,
  });
  let code: number | undefined;
  let rest = "";
  const show = (line: string) => {
    const status = line.startsWith(ENDED) ? Number.parseInt(line.slice(ENDED.length), 10) : undefined;
    if (status !== undefined) code = status;
    else if (!/^(Starting|Exiting) session with SessionId/.test(line)) context.emit({ type: "output", step: "exec", line });
  };
  for await (const chunk of child.stdout) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) show(line);
  }
  if (rest !== "") show(rest);
  return { code: code ?? 128 };
}

const pluginMissing = () =>
  new LandfallError({
    code: "SESSION_PLUGIN_MISSING",
    what: `"${PLUGIN}" is not on this machine, and a command in a container needs it`,
    why: "ECS Exec answers over a channel of Session Manager, which AWS's plugin speaks.",
    standing: "Nothing was changed.",
    next: "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
  });
