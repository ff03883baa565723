// The instance metadata service, version 2, as machines on EC2 see it:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { InstanceLife } from "./instance-life.ts";

export interface Subject {
  instanceId: string;
  address: string;
  region: string;
  imageId: string;
  instanceType: string;
  userData: string;
  /** The name of its role. */
  role: string;
  tags: Record<string, string>;
  /** In its group; a machine of none has no such thing. */
  life?: InstanceLife;
  /** What the balancer finds of it. */
  health?(): Promise<"healthy" | "unhealthy"> | "healthy" | "unhealthy";
  /** When AWS wants a spot instance back: `{ action: "terminate", time }`. */
  spotAction?: { action: string; time: string };
}

type Entry = string | { [name: string]: Entry };

const TOKEN_HEADER = "x-aws-ec2-metadata-token";
const CREDENTIALS_HOURS = 6;
const tokens = new Set<string>();

/** Answers one request of a machine; `subject` is the machine it came from. */
export function answerMetadata(request: IncomingMessage, response: ServerResponse, subject: Subject | undefined): void {
  const path = (request.url ?? "/").split("?")[0] ?? "/";
  if (!subject) return answer(response, 404, "");
  if (request.method === "PUT" && path === "/latest/api/token") return giveToken(request, response);
  if (request.method !== "GET") return answer(response, 405, "");
  if (!isAllowed(request)) return answer(response, 401, "");
  const entry = find({ "meta-data": describe(subject), "user-data": subject.userData, dynamic: identify(subject) }, path);
  if (entry === undefined || entry === "") return answer(response, 404, "");
  answer(response, 200, typeof entry === "string" ? entry : list(entry));
}

function giveToken(request: IncomingMessage, response: ServerResponse): void {
  const seconds = Number(request.headers["x-aws-ec2-metadata-token-ttl-seconds"]);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 21_600) return answer(response, 400, "");
  const token = randomBytes(32).toString("base64");
  tokens.add(token);
  response.setHeader("x-aws-ec2-metadata-token-ttl-seconds", String(seconds));
  answer(response, 200, token);
}

/** cloud-init asks for a token only where it sees Amazon's firmware, which a container does not show. Everybody else must have one. */
const isAllowed = ({ headers }: IncomingMessage): boolean =>
  tokens.has(String(headers[TOKEN_HEADER])) || /^Cloud-Init\//.test(headers["user-agent"] ?? "");

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain", "content-length": Buffer.byteLength(text) }).end(text);
}

/** The first part of a path is a version: "latest" or a date. */
function find(root: Entry, path: string): Entry | undefined {
  const [version, ...names] = path.split("/").filter(Boolean).map(decodeURIComponent);
  if (!/^(latest|\d{4}-\d{2}-\d{2})$/.test(version ?? "")) return undefined;
  return names.reduce<Entry | undefined>((entry, name) => (typeof entry === "object" && Object.hasOwn(entry, name) ? entry[name] : undefined), root);
}

const list = (entry: { [name: string]: Entry }): string =>
  Object.entries(entry)
    .map(([name, value]) => (typeof value === "string" ? name : `${name}/`))
    .join("\n");

const zoneOf = ({ region }: Subject): string => `${region}a`;

function describe(subject: Subject): Entry {
  const { instanceId, address, region, role, tags, life, spotAction } = subject;
  const name = `ip-${address.replaceAll(".", "-")}.${region}.compute.internal`;
  return {
    "ami-id": subject.imageId,
    "instance-id": instanceId,
    "instance-type": subject.instanceType,
    "instance-life-cycle": spotAction ? "spot" : "on-demand",
    hostname: name,
    "local-hostname": name,
    "local-ipv4": address,
    placement: { "availability-zone": zoneOf(subject), region },
    services: { domain: "amazonaws.com", partition: "aws" },
    iam: {
      info: JSON.stringify({ Code: "Success", InstanceProfileArn: `arn:aws:iam::000000000000:instance-profile/${role}` }),
      "security-credentials": { [role]: credentials() },
    },
    tags: { instance: tags },
    ...(life ? { autoscaling: { "target-lifecycle-state": life.target } } : {}),
    ...(spotAction ? { spot: { "instance-action": JSON.stringify(spotAction), "termination-time": spotAction.time } } : {}),
  };
}

/** Keys of nobody: what takes calls here does not check who signed them. */
const credentials = (): string =>
  JSON.stringify({
    Code: "Success",
    LastUpdated: new Date().toISOString(),
    Type: "AWS-HMAC",
    AccessKeyId: "000000000000",
    SecretAccessKey: "rehearsal",
    Token: "rehearsal",
    Expiration: new Date(Date.now() + CREDENTIALS_HOURS * 3_600_000).toISOString(),
  });

const identify = (subject: Subject): Entry => ({
  "instance-identity": {
    document: JSON.stringify({
      accountId: "000000000000",
      architecture: process.arch === "arm64" ? "arm64" : "x86_64",
      availabilityZone: zoneOf(subject),
      imageId: subject.imageId,
      instanceId: subject.instanceId,
      instanceType: subject.instanceType,
      privateIp: subject.address,
      region: subject.region,
      version: "2017-09-30",
    }),
  },
});
