// Asks instances whether they may be stopped, before a rollout stops any. Once AWS ends a machine nobody can refuse any more: then the machine asks
// by itself, and waits no longer than its time.
import type { DeployedService } from "../../../config/deployment.ts";
import { during } from "../../../progress.ts";
import { settleAll } from "../../../system/settle.ts";
import { quote } from "../../../text/shell.ts";
import { drainVetoed } from "../../preconditions.ts";
import { pollEvery } from "../account/poll.ts";
import type { ReleaseContext } from "../releases/driver.ts";
import { servingFleet, servingRelease } from "../templates/shared/running.ts";

const ANSWER_SECONDS = 5;
const BODY_SHOWN = 200;

interface Asked {
  instance: string;
  /** Those of the release that serves. */
  settings: DeployedService;
  /** What serves. */
  release?: string;
}

interface Rolling {
  /** The processes that come: whoever has them already stays. */
  to: string;
  /** Asked once, and stopped whatever they say. */
  force: boolean;
}

/** Until all allow it. Errors: DRAIN_VETOED when one has not at its drain time-out. */
export async function askInstances(context: ReleaseContext, { to, force }: Rolling): Promise<void> {
  const { fleets } = context.driver;
  const [standing, instances] = await Promise.all([fleets.observe(), fleets.serving(to)]);
  const release = servingRelease(standing);
  const asked = instances.flatMap(({ service, instance }): Asked[] => {
    const settings = servingFleet(standing.running[service] ?? {})?.settings;
    // Beside a container nobody of ours can ask it.
    return settings?.port === undefined || !settings.drain.ask || settings.container ? [] : [{ instance, settings, release }];
  });
  if (asked.length === 0) return;
  await during(context.emit, "drain", "asking whether instances may be stopped", async () => {
    await settleAll(asked.map((one) => askUntilReady(context, one, force)));
    return `${asked.map(({ instance }) => instance).join(", ")} may be stopped`;
  });
}

async function askUntilReady(context: ReleaseContext, asked: Asked, force: boolean): Promise<void> {
  const { instance, settings, release } = asked;
  const { clock, emit, deployment } = context;
  const timeoutMs = force ? 0 : settings.drain.timeout;
  const until = clock.now() + timeoutMs;
  let last = "";
  for await (const _ of pollEvery(context)) {
    const answer = await askOnce(context, asked);
    if (answer === undefined) return;
    if (answer !== last && !force) emit({ type: "warning", text: `${instance} says "not yet": ${answer}` });
    last = answer;
    if (clock.now() < until) continue;
    if (!force) throw drainVetoed({ instance, asked: describeQuestion(settings), answer, timeoutMs, release, environment: deployment.environment });
    return emit({ type: "warning", text: `${instance} is stopped although it says "not yet": ${answer}` });
  }
}

/** Undefined is yes. */
async function askOnce({ driver }: ReleaseContext, { instance, settings }: Asked): Promise<string | undefined> {
  const { port, drain, health } = settings;
  const host = health.host === undefined ? "" : `-H ${quote(`Host: ${health.host}`)} `;
  const url = quote(`http://127.0.0.1:${port}${drain.ask}`);
  // An app that does not answer has not allowed it.
  const printed = await driver.fleets.run(instance, `curl -s -m ${ANSWER_SECONDS} -w '\\n%{http_code}' ${host}${url} || true`);
  const [, body = "", status = "000"] = /^(?:(.*)\n)?(\d{3})\s*$/s.exec(printed) ?? [];
  if (status === "200") return undefined;
  return status === "000" ? "nothing" : `${status} ${JSON.stringify(body.slice(0, BODY_SHOWN))}`;
}

const describeQuestion = ({ port, drain, health }: DeployedService): string =>
  `http://127.0.0.1:${port}${drain.ask}${health.host === undefined ? "" : `, Host: ${health.host}`}`;
