// As much of AWS's services as machines call, kept in memory: what they ask for was put there before, and what they tell is kept.
import type { Answerer, AwsAnswer, AwsCall } from "./endpoints.ts";
import { refuse } from "./endpoints.ts";
import type { HookEnd, InstanceLife } from "./instance-life.ts";
import { type LogSink, makeLogSink } from "./log-sink.ts";

/** What the services know. Secrets are in memory only. */
export interface Account {
  /** SSM's parameters, by name. */
  parameters: Map<string, string>;
  /** Secrets Manager's secrets, by ARN. */
  secrets: Map<string, string>;
  logs: LogSink;
}

export const makeAccount = (): Account => ({ parameters: new Map(), secrets: new Map(), logs: makeLogSink() });

/** Answers for all services but S3 and SQS, which the object server has. */
export function fakeAws(account: Account): Answerer {
  const actions: Record<string, Record<string, (call: AwsCall) => AwsAnswer | Promise<AwsAnswer>>> = {
    ssm: { GetParameters: (call) => getParameters(account, call), GetParameter: (call) => getParameter(account, call) },
    secretsmanager: { GetSecretValue: (call) => getSecretValue(account, call) },
    monitoring: { PutMetricData: (call) => (call.headers["x-amz-target"] ? json({}) : xml(call)) },
    cloudformation: { SignalResource: xml },
    autoscaling: {
      DescribeAutoScalingInstances: describeInstance,
      CompleteLifecycleAction: (call) =>
        lifecycleAction(call, (life, hook) => life.complete(hook, call.input.LifecycleActionResult as HookEnd["result"])),
      RecordLifecycleActionHeartbeat: (call) => lifecycleAction(call, (life, hook) => life.beat(hook)),
      SetInstanceHealth: xml,
    },
    elasticloadbalancing: { DescribeTargetHealth: describeHealth },
    sts: { GetCallerIdentity: identity },
  };
  return (call) => (call.service === "logs" ? account.logs.answer(call) : actions[call.service]?.[call.action]?.(call));
}

const json = (value: unknown): AwsAnswer => ({ status: 200, headers: { "content-type": "application/x-amz-json-1.1" }, body: JSON.stringify(value) });

function xml({ action }: AwsCall, result = ""): AwsAnswer {
  const id = "<ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>";
  const body = `<${action}Response><${action}Result>${result}</${action}Result>${id}</${action}Response>`;
  return { status: 200, headers: { "content-type": "text/xml" }, body };
}

const identity = (call: AwsCall): AwsAnswer =>
  xml(call, "<Account>000000000000</Account><UserId>rehearsal</UserId><Arn>arn:aws:sts::000000000000:assumed-role/rehearsal/machine</Arn>");

/** A machine asks about itself. One that is in no group is not in the answer. */
function describeInstance(call: AwsCall): AwsAnswer {
  const { subject, input } = call;
  const isAsked = Object.entries(input).some(([name, value]) => name.startsWith("InstanceIds.member.") && value === subject?.instanceId);
  if (!subject?.life || !isAsked) return xml(call, "<AutoScalingInstances/>");
  const facts = {
    InstanceId: subject.instanceId,
    AutoScalingGroupName: subject.tags["aws:autoscaling:groupName"],
    LifecycleState: subject.life.state,
    HealthStatus: "HEALTHY",
    ProtectedFromScaleIn: "false",
  };
  const elements = Object.entries(facts).map(([name, value]) => `<${name}>${value}</${name}>`);
  return xml(call, `<AutoScalingInstances><member>${elements.join("")}</member></AutoScalingInstances>`);
}

/** Before it is in service it is registered with no balancer. */
async function describeHealth(call: AwsCall): Promise<AwsAnswer> {
  const { subject, input } = call;
  const id = String(input["Targets.member.1.Id"]);
  const isRegistered = id === subject?.instanceId && subject.life?.state === "InService";
  const health = isRegistered
    ? `<State>${(await subject.health?.()) ?? "initial"}</State>`
    : "<State>unused</State><Reason>Target.NotRegistered</Reason>";
  return xml(
    call,
    `<TargetHealthDescriptions><member><Target><Id>${id}</Id></Target><TargetHealth>${health}</TargetHealth></member></TargetHealthDescriptions>`,
  );
}

/** Refused in AWS's words while no such hook holds the instance: https://github.com/PrairieLearn/PrairieLearn/pull/15586 */
function lifecycleAction(call: AwsCall, act: (life: InstanceLife, hook: string) => boolean): AwsAnswer {
  const { subject, input } = call;
  const isOwn = subject?.instanceId === input.InstanceId && subject?.tags["aws:autoscaling:groupName"] === input.AutoScalingGroupName;
  if (isOwn && subject?.life && act(subject.life, String(input.LifecycleHookName))) return xml(call);
  return refuse(400, "ValidationError", `No active Lifecycle Action found with instance ID ${input.InstanceId}`);
}

function getParameters({ parameters }: Account, { input }: AwsCall): AwsAnswer {
  const names = input.Names as string[];
  const present = names.filter((name) => parameters.has(name));
  return json({
    Parameters: present.map((name) => describeParameter(name, parameters.get(name) as string)),
    InvalidParameters: names.filter((name) => !parameters.has(name)),
  });
}

function getParameter({ parameters }: Account, { input }: AwsCall): AwsAnswer {
  const name = String(input.Name);
  const value = parameters.get(name);
  return value === undefined
    ? refuse(400, "ParameterNotFound", `There is no parameter ${name}.`, true)
    : json({ Parameter: describeParameter(name, value) });
}

const describeParameter = (Name: string, Value: string) => ({
  Name,
  Type: "SecureString",
  Value,
  Version: 1,
  ARN: `arn:aws:ssm:eu-central-1:000000000000:parameter${Name}`,
});

function getSecretValue({ secrets }: Account, { input }: AwsCall): AwsAnswer {
  const id = String(input.SecretId);
  const text = secrets.get(id);
  if (text === undefined) return refuse(400, "ResourceNotFoundException", `There is no secret ${id}.`, true);
  return json({ ARN: id, Name: id, SecretString: text, VersionId: "00000000-0000-0000-0000-000000000000", VersionStages: ["AWSCURRENT"] });
}
