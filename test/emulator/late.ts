// EC2 in the seconds after a change: what was just made is not known, and who asks once more what he has asked before is told what was true before. Counted
// in calls and not in time, so that it is the same on every machine. What CloudFormation calls does not come through the proxy, and is never late.
//
// https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html: describe calls do not know an instance yet whose id was just given, and
// "If you get an InvalidInstanceID.NotFound error after running TerminateInstances, this does not mean that the instance is or will be terminated";
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency: roles are not known everywhere
// at once. In the words of hashicorp/terraform#15341 (an instance profile) and of ansible/ansible#4368 (an image that was just made).
import type { Answer, Exchange, Fault, FaultProxy } from "./proxy.ts";

export interface Late {
  /** How often what was answered otherwise than it was: by action, and `unknown` or `before`. */
  told: Record<string, number>;
  stop(): void;
}

const UNKNOWN: Record<string, [code: string, what: string]> = {
  i: ["InvalidInstanceID.NotFound", "instance ID"],
  ami: ["InvalidAMIID.NotFound", "image id"],
  snap: ["InvalidSnapshot.NotFound", "snapshot ID"],
  vol: ["InvalidVolume.NotFound", "volume ID"],
};
const IDS = /\b(i|ami|snap|vol)-[0-9a-f]+\b/g;
const PROFILE = /IamInstanceProfile\.(?:Name|Arn)=([^&]+)/;

/** For so many calls: each that names what is new, and each that asks the same again after a change. */
export function makeLate(proxy: FaultProxy, calls = 2): Late {
  const told: Late["told"] = {};
  const unknown = new Map<string, number>();
  const answers = new Map<string, { answer: Answer; at: number; left: number }>();
  const profiles = new Set<string>();
  let changes = 0;
  const tell = (action: string, how: "unknown" | "before", reply: Answer): Fault => {
    told[`${action} ${how}`] = (told[`${action} ${how}`] ?? 0) + 1;
    return { reply };
  };
  const isLate = (thing: string) => {
    const left = unknown.get(thing) ?? 0;
    unknown.set(thing, Math.max(0, left - 1));
    return left > 0;
  };

  proxy.rule = ({ service, action, account }, body) => {
    if (service !== "ec2") return undefined;
    const id = (body.match(IDS) ?? []).find(isLate);
    if (id) return tell(action, "unknown", notFound(id));
    const profile = PROFILE.exec(body)?.[1];
    if (profile !== undefined && !profiles.has(profile)) unknown.set(profile, calls);
    if (profile !== undefined) profiles.add(profile);
    if (profile !== undefined && isLate(profile)) return tell(action, "unknown", noProfile(decodeURIComponent(profile)));
    const before = answers.get(`${account} ${body}`);
    if (!before || before.at === changes || before.left === 0) return undefined;
    before.left -= 1;
    return tell(action, "before", before.answer);
  };
  const record = proxy.record;
  proxy.record = (exchange) => {
    record?.(exchange);
    const { account, body, answer } = readExchange(exchange);
    if (account === undefined || answer.status >= 300) return;
    const action = /Action=(\w+)/.exec(body)?.[1] ?? "";
    if (/^(Describe|Get)/.test(action)) {
      const key = `${account} ${body}`;
      const isNew = answers.get(key)?.at !== changes && answers.get(key)?.answer.body.equals(answer.body) !== true;
      if (isNew) answers.set(key, { answer, at: changes, left: calls });
      return;
    }
    changes += 1;
    if (/^(Run|Create)/.test(action)) for (const id of answer.body.toString().match(IDS) ?? []) if (!body.includes(id)) unknown.set(id, calls);
  };
  return {
    told,
    stop() {
      proxy.rule = undefined;
      proxy.record = record;
    },
  };
}

function readExchange({ headers, body, status, answerHeaders, answer }: Exchange): { account?: string; body: string; answer: Answer } {
  return {
    account: /Credential=([^/]+)\/\d+\/[^/]+\/ec2\//.exec(headers.authorization ?? "")?.[1],
    body: Buffer.from(body, "base64").toString(),
    answer: { status, headers: answerHeaders, body: Buffer.from(answer, "base64") },
  };
}

function refusal(code: string, message: string): Answer {
  const error = `<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>1</RequestID></Response>`;
  return { status: 400, headers: { "content-type": "text/xml" }, body: Buffer.from(error) };
}

function notFound(id: string): Answer {
  const [code, what] = UNKNOWN[id.split("-")[0] as string] as [string, string];
  return refusal(code, `The ${what} '${id}' does not exist`);
}

const noProfile = (profile: string) =>
  refusal("InvalidParameterValue", `Value (${profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name`);
