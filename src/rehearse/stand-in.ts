// As much of AWS's services as machines call, kept in memory: what they ask for was put there before, and what they tell is kept.
import type { Answerer, AwsAnswer, AwsCall } from "./endpoints.ts";
import { refuse } from "./endpoints.ts";

/** What the services know. Secrets are in memory only. */
export interface Account {
  /** SSM's parameters, by name. */
  parameters: Map<string, string>;
  /** Secrets Manager's secrets, by ARN. */
  secrets: Map<string, string>;
  /** By group and stream. */
  logs: Map<string, string[]>;
}

export const makeAccount = (): Account => ({ parameters: new Map(), secrets: new Map(), logs: new Map() });

/** Answers for all services but S3 and SQS, which the object server has. */
export function standIn(account: Account): Answerer {
  const actions: Record<string, Record<string, (call: AwsCall) => AwsAnswer>> = {
    ssm: { GetParameters: (call) => getParameters(account, call), GetParameter: (call) => getParameter(account, call) },
    secretsmanager: { GetSecretValue: (call) => getSecretValue(account, call) },
    logs: { CreateLogGroup: () => json({}), CreateLogStream: () => json({}), PutLogEvents: (call) => putLogEvents(account, call) },
    monitoring: { PutMetricData: (call) => (call.headers["x-amz-target"] ? json({}) : xml(call)) },
    cloudformation: { SignalResource: xml },
    autoscaling: { CompleteLifecycleAction: xml, RecordLifecycleActionHeartbeat: xml, SetInstanceHealth: xml },
    sts: { GetCallerIdentity: identity },
  };
  return (call) => actions[call.service]?.[call.action]?.(call);
}

const json = (value: unknown): AwsAnswer => ({ status: 200, headers: { "content-type": "application/x-amz-json-1.1" }, body: JSON.stringify(value) });

function xml({ action }: AwsCall, result = ""): AwsAnswer {
  const id = "<ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>";
  const body = `<${action}Response><${action}Result>${result}</${action}Result>${id}</${action}Response>`;
  return { status: 200, headers: { "content-type": "text/xml" }, body };
}

const identity = (call: AwsCall): AwsAnswer =>
  xml(call, "<Account>000000000000</Account><UserId>rehearsal</UserId><Arn>arn:aws:sts::000000000000:assumed-role/rehearsal/machine</Arn>");

function getParameters({ parameters }: Account, { input }: AwsCall): AwsAnswer {
  const names = input.Names as string[];
  const found = names.filter((name) => parameters.has(name));
  return json({
    Parameters: found.map((name) => describeParameter(name, parameters.get(name) as string)),
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

function putLogEvents({ logs }: Account, { input }: AwsCall): AwsAnswer {
  const stream = `${input.logGroupName} ${input.logStreamName}`;
  const lines = (input.logEvents as { message: string }[]).map(({ message }) => message);
  logs.set(stream, [...(logs.get(stream) ?? []), ...lines]);
  return json({ nextSequenceToken: "1" });
}
