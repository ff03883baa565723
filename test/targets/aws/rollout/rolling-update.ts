// A model of one rolling update of CloudFormation, second by second: instances of a group, the balancer's checks of them, and the alarm that takes
// the update back. It knows how AWS goes about it, and has every number from the compiled template and from the programs on the machine.
//
// CloudFormation raises the group by a batch where there is room, waits for the signals of what is new, and ends as much of what is old; it does
// not wait for the hook of what ends: https://github.com/awslabs/amazon-eks-ami/issues/66
// A group without a launch hook registers an instance as soon as it runs, one with such a hook once it has ended:
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
import { programText } from "../../../../src/machine/programs.ts";

/** From the start of an instance until EC2 says that it runs. */
const RUNS_S = 15;
/** Nodes of the balancer go on sending for so long to what they are to let go. */
const SENDS_ON_S = 10;
const UPDATE_MAX_S = 20 * 3600;

export interface Update {
  count: number;
  min: number;
  max: number;
  minInService: number;
  batch: number;
  pauseS: number;
  /** Undefined: there is none. */
  launchHook?: { heartbeatS: number };
  letGoS: number;
  interval: number;
  healthyAfter: number;
  unhealthyAfter: number;
  /** Of the alarm on unhealthy hosts, which is one of those that take the update back; undefined where none of these is. */
  alarm?: { minutes: number; of: number; above: number };
  steadyS: number;
  /** Whether a machine signals only once the balancer finds it healthy. */
  waitsForBalancer: boolean;
  /** How long after the metadata service has told of its end the app is stopped at the earliest, if the hook has not begun before. */
  stopsAfterS: (letGoS: number) => number;
}

export interface Outcome {
  rolledBack?: "alarm" | "pause" | "abandoned";
  /** Seconds in which a node could send a request to an app that had been stopped, or that did not serve yet. */
  lost: number;
  /** The least number of instances that the balancer found healthy and sent requests to. */
  least: number;
  seconds: number;
}

interface Template {
  Resources: Record<
    string,
    { Type: string; Properties: Record<string, unknown>; UpdatePolicy?: { AutoScalingRollingUpdate: Record<string, unknown> } }
  >;
  Outputs: Record<string, { Value: unknown }>;
}

const minutesOf = (text: unknown): number => Number(/^PT(\d+)M$/.exec(String(text))?.[1]);

/** What the template of a service says of its fleet in the place `Blue`, as text and numbers. */
export function readUpdate(body: string, steadyS: number): Update {
  const { Resources, Outputs } = JSON.parse(body) as Template;
  const group = Resources.BlueGroup as Template["Resources"][string];
  const target = Resources.BlueTargetGroup?.Properties as Record<string, number> & { TargetGroupAttributes: { Key: string; Value: string }[] };
  const policy = group.UpdatePolicy?.AutoScalingRollingUpdate as Record<string, number>;
  const hooks = group.Properties.LifecycleHookSpecificationList as { LifecycleTransition: string; HeartbeatTimeout: number }[];
  const launch = hooks.find(({ LifecycleTransition }) => LifecycleTransition === "autoscaling:EC2_INSTANCE_LAUNCHING");
  const alarms = Object.entries(Resources).filter(([, { Properties }]) => Properties.MetricName === "UnHealthyHostCount");
  const [id, alarm] = alarms[0] as [string, { Properties: Record<string, number> }];
  // The alarms that the stack makes known are those that take a change back.
  const isTrigger = Object.entries(Outputs).some(([name, { Value }]) => name.endsWith("BlueAlarms") && JSON.stringify(Value).includes(`"${id}"`));
  const drain = programText("drain.sh");
  const constant = (name: string): number | undefined => {
    const found = new RegExp(`^${name}=(\\d+)`, "m").exec(drain)?.[1];
    return found === undefined ? undefined : Number(found) / 1000;
  };
  return {
    count: Number(group.Properties.DesiredCapacity ?? group.Properties.MinSize),
    min: Number(group.Properties.MinSize),
    max: Number(group.Properties.MaxSize),
    minInService: policy.MinInstancesInService as number,
    batch: policy.MaxBatchSize as number,
    pauseS: minutesOf(policy.PauseTime) * 60,
    launchHook: launch && { heartbeatS: launch.HeartbeatTimeout },
    letGoS: Number(target.TargetGroupAttributes.find(({ Key }) => Key === "deregistration_delay.timeout_seconds")?.Value),
    interval: target.HealthCheckIntervalSeconds as number,
    healthyAfter: target.HealthyThresholdCount as number,
    unhealthyAfter: target.UnhealthyThresholdCount as number,
    alarm: isTrigger
      ? {
          minutes: alarm.Properties.EvaluationPeriods as number,
          of: (alarm.Properties.Period as number) / 60,
          above: alarm.Properties.Threshold as number,
        }
      : undefined,
    steadyS,
    waitsForBalancer: JSON.stringify(Resources.BlueTemplate).includes("LANDFALL_TARGET_GROUP="),
    // A program that has no such constant stops the app as soon as it has seen that the instance ends.
    stopsAfterS: (letGoS) => {
      const atLeast = constant("let_go_ms");
      return atLeast === undefined ? 2 : Math.max(atLeast, letGoS);
    },
  };
}

interface Instance {
  isNew: boolean;
  /** Of this, and of everything else, the second. */
  started: number;
  serves: number;
  registered: number;
  healthy: number;
  signals: number;
  ends: number;
}

/** Of instances that have served for long. */
const OLD: Instance = { isNew: false, started: -1, serves: -1, registered: -1, healthy: -1, signals: -1, ends: Number.POSITIVE_INFINITY };

function launch(update: Update, at: number, bootS: number): Instance {
  const serves = at + bootS;
  const registered = update.launchHook ? serves : at + RUNS_S;
  // The first check comes one interval after it was registered, or after it serves.
  const healthy = Math.max(serves, registered) + update.interval * update.healthyAfter;
  const steady = serves + update.steadyS;
  return {
    isNew: true,
    started: at,
    serves,
    registered,
    healthy,
    signals: update.waitsForBalancer ? Math.max(healthy, steady) : steady,
    ends: Number.POSITIVE_INFINITY,
  };
}

/** What there is in one second, in one pass over the instances: hours are simulated second by second, thousands of times. */
function lookAt(instances: Instance[], { interval, unhealthyAfter, launchHook, pauseS }: Update, stopsAfterS: number, at: number) {
  const seen = { healthy: 0, unhealthy: 0, lost: 0, old: 0, new: 0, waiting: 0, isLate: false, isAbandoned: false };
  for (const { isNew, started, serves, registered, healthy, signals, ends } of instances) {
    const stands = ends === Number.POSITIVE_INFINITY;
    if (at >= healthy && at < ends) seen.healthy++;
    // Not counted while the balancer has not failed it often enough to say so.
    if (at >= registered + interval * unhealthyAfter && at < healthy && at < ends) seen.unhealthy++;
    if (ends < at && at < ends + SENDS_ON_S && at >= ends + stopsAfterS) seen.lost++;
    if (stands && !isNew) seen.old++;
    if (!stands || !isNew) continue;
    seen.new++;
    if (signals <= at) continue;
    seen.waiting++;
    seen.isLate ||= at - started > pauseS;
    seen.isAbandoned ||= launchHook !== undefined && serves > at && at - started > launchHook.heartbeatS;
  }
  return seen;
}

export function simulate(update: Update, bootS: number): Outcome {
  const { count, minInService, batch, max } = update;
  const stopsAfterS = update.stopsAfterS(update.letGoS);
  const instances: Instance[] = Array.from({ length: count }, () => ({ ...OLD }));
  const end = (so: number, at: number) => {
    for (const one of instances.filter(({ isNew, ends }) => !isNew && ends === Number.POSITIVE_INFINITY).slice(0, so)) one.ends = at;
  };
  const start = (so: number, at: number) => {
    for (let number = 0; number < so; number++) instances.push(launch(update, at, bootS));
  };
  const wanted = Math.min(max, Math.max(count, minInService + batch));
  let minutesBad = 0;
  let badThisMinute = false;
  let done = 0;
  const outcome: Outcome = { lost: 0, least: count, seconds: 0 };
  start(Math.min(batch, count, wanted - count), 0);
  for (let at = 0; at < UPDATE_MAX_S; at++) {
    const seen = lookAt(instances, update, stopsAfterS, at);
    outcome.seconds = at;
    outcome.least = Math.min(outcome.least, seen.healthy);
    outcome.lost += seen.lost;
    badThisMinute ||= seen.unhealthy > (update.alarm?.above ?? 0);
    if (at % 60 === 59) {
      minutesBad = badThisMinute ? minutesBad + 1 : 0;
      badThisMinute = false;
      if (update.alarm && minutesBad >= update.alarm.minutes * update.alarm.of) return { ...outcome, rolledBack: "alarm" };
    }
    if (seen.isLate) return { ...outcome, rolledBack: "pause" };
    if (seen.isAbandoned) return { ...outcome, rolledBack: "abandoned" };
    if (seen.waiting > 0) continue;
    if (seen.old === 0) {
      done ||= at;
      // Nodes of the balancer may still send to what went last.
      if (at > done + SENDS_ON_S) return { ...outcome, seconds: done };
      continue;
    }
    const ending = Math.min(batch, seen.old, Math.max(1, seen.old + seen.new - minInService));
    end(ending, at);
    start(Math.min(batch, count - seen.new, wanted - (seen.old + seen.new - ending)), at);
  }
  throw new RangeError("an update that never ends");
}
