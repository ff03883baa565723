// From a call of the SDK to what IAM decides for it: each action, on each thing that the call is about by what was sent, with the tags that
// were on it at that moment.

import { findAction } from "../targets/aws/iam/reference.ts";
import type { Request } from "../targets/aws/iam/simulate.ts";
import { REGION } from "../targets/aws/resource-types/arns.ts";
import { actionsOf } from "./actions.ts";
import type { Call } from "./proxy.ts";

type Sent = Record<string, unknown>;

export async function requestsOf(call: Call): Promise<Request[]> {
  const requests = [...actionsOf(call).map((action) => ({ action, things: thingsOf(action, call) })), ...madeWith(call)];
  return (await Promise.all(requests.map(({ action, things, ...more }) => decided(call, action, things, more)))).flat();
}

async function decided(call: Call, action: string, things: string[] | undefined, more: Partial<Request>): Promise<Request[]> {
  const known = await findAction(action);
  if (!known || known.kinds.length === 0) return [{ action, resource: "*", ...more }];
  // What lists is about all there is. Whoever may not ask about anything is found by that as well.
  const own = things ?? [
    (known.kinds[0]?.arn ?? "")
      .replaceAll("${Partition}", "aws")
      .replaceAll("${Region}", REGION)
      .replaceAll(/\$\{\w+\}/g, "any"),
  ];
  return own.map((resource) => ({ action, resource, tags: call.tags?.[resource.split("/").at(-1) ?? ""], ...more }));
}

const arn = ({ account }: Call, service: string, resource: string) => `arn:aws:${service}:${REGION}:${account}:${resource}`;

/** A form, or JSON; of S3 the path says it all. */
function sentIn({ sent }: Call): Sent {
  if (sent.startsWith("{")) return JSON.parse(sent) as Sent;
  return Object.fromEntries(new URLSearchParams(sent));
}

/** `InstanceId.1`, `InstanceId.2` or the like, and lists of JSON. */
const listIn = (sent: Sent, key: string): string[] =>
  Array.isArray(sent[key])
    ? (sent[key] as string[])
    : Object.entries(sent).flatMap(([name, value]) => (new RegExp(`^${key}\\.(member\\.)?\\d+$`).test(name) ? [String(value)] : []));

const INSTANCE = "instance";
/** What calls of EC2 are about, by the parameter that names it. */
const EC2: Record<string, [kind: string, key: string]> = {
  TerminateInstances: [INSTANCE, "InstanceId"],
  StopInstances: [INSTANCE, "InstanceId"],
  GetConsoleOutput: [INSTANCE, "InstanceId"],
  DeleteNetworkInterface: ["network-interface", "NetworkInterfaceId"],
};

function thingsOf(action: string, call: Call): string[] | undefined {
  const [service = "", name = ""] = action.split(":");
  const sent = service === "s3" ? {} : sentIn(call);
  const text = (key: string) => String(sent[key] ?? "");
  const named = (key: string) => (sent[key] === undefined ? [] : [text(key)]);
  if (service === "s3")
    return [`arn:aws:s3:::${call.path.split("/")[1]}${/Object/.test(name) ? `/${call.path.split("/").slice(2).join("/") || "any"}` : ""}`];
  if (service === "cloudformation" && (sent.StackName ?? sent.StackId)) return [stackArn(call, String(sent.StackName ?? sent.StackId))];
  if (action === "cloudformation:DescribeEvents") return [text("ChangeSetName")];
  if (service === "ec2" && EC2[name]) {
    const [kind, key] = EC2[name];
    return [...named(key), ...listIn(sent, key)].map((id) => arn(call, "ec2", `${kind}/${id}`));
  }
  if (action === "ec2:RunInstances") return machineParts(call, sent);
  if (action === "ec2:CreateImage") return [imageArn("any"), snapshotArn("any"), arn(call, "ec2", `instance/${text("InstanceId")}`)];
  if (action === "ec2:DeregisterImage") return [imageArn(text("ImageId"))];
  if (action === "ssm:SendCommand")
    return [
      `arn:aws:ssm:${REGION}::document/${text("DocumentName")}`,
      ...listIn(sent, "InstanceIds").map((id) => arn(call, "ec2", `instance/${id}`)),
    ];
  if (/^ssm:(Get|Put|Delete)Parameter$/.test(action)) return [parameterArn(call, text("Name"))];
  if (action === "ssm:AddTagsToResource") return [parameterArn(call, text("Name") || text("ResourceId"))];
  if (service === "logs") return [arn(call, "logs", `log-group:${text("logGroupName")}`)];
  if (service === "rds" && sent.DBInstanceIdentifier) return [arn(call, "rds", `db:${text("DBInstanceIdentifier")}`)];
  if (action === "cloudwatch:GetDashboard") return [`arn:aws:cloudwatch::${call.account}:dashboard/${text("DashboardName")}`];
  return undefined;
}

const stackArn = (call: Call, stack: string) => (stack.startsWith("arn:") ? stack : arn(call, "cloudformation", `stack/${stack}/0f1e2d3c`));
const imageArn = (id: string) => `arn:aws:ec2:${REGION}::image/${id}`;
const snapshotArn = (id: string) => `arn:aws:ec2:${REGION}::snapshot/${id}`;
/** AWS's own parameters are of no account. */
const parameterArn = (call: Call, name: string) =>
  name.startsWith("/aws/") ? `arn:aws:ssm:${REGION}::parameter${name}` : arn(call, "ssm", `parameter${name}`);

function machineParts(call: Call, sent: Sent): string[] {
  const own = (resource: string) => arn(call, "ec2", resource);
  const groups = Object.entries(sent).flatMap(([key, value]) => (/SecurityGroupId\.\d+$/.test(key) ? [own(`security-group/${value}`)] : []));
  const subnets = Object.entries(sent).flatMap(([key, value]) => (/SubnetId$/.test(key) ? [own(`subnet/${value}`)] : []));
  return [imageArn(String(sent.ImageId)), own("instance/any"), own("network-interface/any"), own("volume/any"), ...groups, ...subnets];
}

/** Tags that come with what is made are an action of their own, and so is a role that it gets. */
function madeWith(call: Call): { action: string; things: string[]; context?: Request["context"] }[] {
  if (call.service !== "ec2") return [];
  const sent = sentIn(call);
  const kinds = Object.entries(sent).flatMap(([key, value]) => (/^TagSpecification\.\d+\.ResourceType$/.test(key) ? [String(value)] : []));
  const context = { "ec2:CreateAction": call.action };
  const tagged = kinds.map((kind) =>
    kind === "image" ? imageArn("any") : kind === "snapshot" ? snapshotArn("any") : arn(call, "ec2", `${kind}/any`),
  );
  const profile = String(sent["IamInstanceProfile.Arn"] ?? sent["IamInstanceProfile.Name"] ?? "")
    .split("/")
    .at(-1) as string;
  return [
    ...(tagged.length > 0 ? [{ action: "ec2:CreateTags", things: tagged, context }] : []),
    ...(profile
      ? [
          {
            action: "iam:PassRole",
            things: [`arn:aws:iam::${call.account}:role/${profile}`],
            context: { "iam:PassedToService": "ec2.amazonaws.com" },
          },
        ]
      : []),
  ];
}

/** The ids in a call of EC2 or Systems Manager that changes something: their tags are looked up before it is done. */
export const idsIn = ({ service, action, sent }: Call): string[] =>
  /^(ec2|ssm)$/.test(service) && !/^(Describe|Get[^C])/.test(action) ? [...new Set(sent.match(/\b(i|ami|snap|vol|eni)-[0-9a-f]+\b/g) ?? [])] : [];
