// Sessions of Session Manager. What comes over their channels is spoken by AWS's own plugin only, so it has to be on this machine.
import { spawnSync } from "node:child_process";
import { LandfallError } from "../../../error.ts";
import { type Attended, attend, type ProgramEnd } from "../../../system/attend.ts";

const PLUGIN = "session-manager-plugin";
const ANSWER = "AWS_SSM_START_SESSION_RESPONSE";

interface Session {
  session: { SessionId?: string; StreamUrl?: string; TokenValue?: string };
  /** As the call that began it named it. */
  target: string;
  region: string;
}

/**
 * Until the session ends, which tells no status. The plugin reads keys from its stdin and ends with an error when that does, so it must be a terminal
 * or stay open.
 */
export async function attendSession({ session, target, region }: Session, attended: Attended): Promise<ProgramEnd> {
  const { SessionId, StreamUrl, TokenValue } = session;
  // As AWS's own command line hands it over: a token of this one session, which the plugin uses up before anybody could read it.
  const env = { ...process.env, [ANSWER]: JSON.stringify({ SessionId, StreamUrl, TokenValue }) };
  return attend({ argv: [PLUGIN, ANSWER, region, "StartSession", "", JSON.stringify({ Target: target }), ""], env }, attended);
}

/** Errors: SESSION_PLUGIN_MISSING. */
export function assertPlugin(): void {
  if (!spawnSync(PLUGIN, ["--version"], { stdio: "ignore" }).error) return;
  throw new LandfallError({
    code: "SESSION_PLUGIN_MISSING",
    what: `"${PLUGIN}" is not on this machine, and a terminal or a container is reached through it`,
    why: "AWS answers over a channel of Session Manager, which AWS's plugin speaks.",
    standing: "Nothing was changed.",
    next: "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
  });
}
