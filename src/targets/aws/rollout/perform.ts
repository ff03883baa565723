// Performs the stages of a rollout: the driver moves fleets and requests, and the balancer says how it goes. What fails is taken back to what
// ran before, stage by stage as well.
import { LandfallError } from "../../../error.ts";
import { during } from "../../../progress.ts";
import { pollEvery } from "../account/poll.ts";
import type { FleetName, PerformContext } from "../releases/driver.ts";
import type { Running, Slot, Standing } from "../templates/shared/running.ts";
import { type Judge, makeJudge } from "./canary.ts";
import { compileBack, type Stage } from "./stages.ts";

/** What the balancer needs to check a new target, beside the service's own deadline. */
const ATTACH_MS = 2 * 60_000;

/** Errors: those of the driver, HEALTH_NEVER_PASSED, CANARY_*, WAY_BACK_FAILED. */
export async function performStages(context: PerformContext, stages: Stage[], { before }: { before: Standing }): Promise<void> {
  const judge = makeJudge(context);
  let at = before;
  try {
    for (const stage of stages) {
      const from = at.running;
      // Noted first: of a stage that fails half of it may stand.
      at = stage.kind === "fleets" ? { ...at, running: joinRunning(from, stage.running) } : standingAfter(at, stage);
      await performStage({ ...context, judge }, stage, from);
      at = standingAfter(at, stage);
    }
  } catch (error) {
    if (context.signal?.aborted || isLeaseLost(error)) throw error;
    throw await rollBack(context, { at, before, error });
  }
}

/** Whoever has the environment now decides from what stands. */
const isLeaseLost = (error: unknown): boolean => error instanceof LandfallError && error.code === "LEASE_LOST";

/** Both: what a failed stage may have left of either. */
function joinRunning(a: Running, b: Running): Running {
  const services = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return Object.fromEntries(services.map((service) => [service, { ...a[service], ...b[service] }]));
}

/** A change of the routes starts and ends no fleet. */
function standingAfter(at: Standing, stage: Stage): Standing {
  if (stage.kind === "fleets") return { ...at, running: stage.running };
  return stage.kind === "routes" ? { running: withShares(at.running, stage.running), rules: stage.rules } : at;
}

const withShares = (running: Running, shares: Running): Running =>
  Object.fromEntries(
    Object.entries(running).map(([service, fleets]) => [
      service,
      Object.fromEntries(Object.entries(fleets).map(([slot, fleet]) => [slot, { ...fleet, weight: shares[service]?.[slot as Slot]?.weight }])),
    ]),
  );

/** `from` is what ran before it. */
async function performStage(context: PerformContext & { judge?: Judge; isBack?: boolean }, stage: Stage, from: Running): Promise<void> {
  const { fleets } = context.driver;
  if (stage.kind === "fleets" || stage.kind === "routes")
    return during(context.emit, stage.text, stage.text, async () => {
      await (stage.kind === "fleets" ? fleets.change(stage.running, from, { isBack: context.isBack }) : fleets.route(stage));
      return stage.text;
    });
  if (stage.kind === "healthy") return during(context.emit, "health", stage.text, () => waitHealthy(context, stage.fleets, from));
  const { judge = makeJudge(context) } = context;
  return during(context.emit, "canary", stage.text, () => judge(stage));
}

/** Until the balancer finds as many instances healthy as each fleet is to have. */
async function waitHealthy(context: PerformContext, fleets: FleetName[], running: Running): Promise<string> {
  const from = context.clock.now();
  const isLate = ({ service, slot }: FleetName) =>
    context.clock.now() - from > (running[service]?.[slot]?.settings?.health.startupTimeout ?? 0) + ATTACH_MS;
  let left = fleets;
  for await (const _ of pollEvery(context)) {
    const found = await context.driver.fleets.health(left);
    const unhealthy = left.flatMap((fleet, index) => {
      const health = found[index];
      return health && health.healthy < health.wanted ? [{ fleet, health }] : [];
    });
    left = unhealthy.map(({ fleet }) => fleet);
    if (left.length === 0) return `${fleets.map(({ service, slot }) => `${service} (${slot})`).join(", ")} healthy`;
    const late = unhealthy.find(({ fleet }) => isLate(fleet));
    if (late) throw await late.health.explain();
  }
  throw new TypeError("polling ended by itself");
}

async function rollBack(context: PerformContext, { at, before, error }: { at: Standing; before: Standing; error: unknown }): Promise<unknown> {
  context.emit({ type: "note", text: "going back to what ran before" });
  try {
    await performBack(context, at, before);
  } catch (failure) {
    if (isLeaseLost(failure)) return failure;
    const first = error instanceof LandfallError ? error : undefined;
    const second = failure instanceof LandfallError ? failure : undefined;
    return new LandfallError(
      {
        code: "WAY_BACK_FAILED",
        what: first?.parts.what ?? String(error),
        why: `going back failed as well: ${second?.parts.what ?? String(failure)}`,
        standing: "What was healthy serves.",
        next: `landfall abort ${context.deployment.environment}`,
      },
      [first, second].filter((error) => error !== undefined),
    );
  }
  return error;
}

/** Brings an environment back to what served before, from whatever stands. */
export async function performBack(context: PerformContext, at: Standing, before: Standing): Promise<void> {
  let now = at;
  for (const stage of compileBack(at, before)) {
    await performStage({ ...context, isBack: true }, stage, now.running);
    now = standingAfter(now, stage);
  }
}
