// The service names as a machine finds them, with AWS's own SDK as the machine.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent } from "node:https";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import { S3 } from "@aws-sdk/client-s3";
import { SSM } from "@aws-sdk/client-ssm";
import { STS } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Endpoints, makeEndpoints, REGION, type Recorded, SERVED_NAMES } from "../../src/rehearse/endpoints.ts";
import { fakeAws, makeAccount } from "../../src/rehearse/fake-aws.ts";
import { InstanceLife } from "../../src/rehearse/instance-life.ts";
import type { Subject } from "../../src/rehearse/metadata.ts";
import { ensureLocalCertificate } from "../../src/targets/local/balancer/local-ca.ts";

const FROM = "10.213.0.11";
const account = makeAccount();
const calls: Recorded[] = [];
const life = new InstanceLife();
const subject: Subject = {
  instanceId: "i-0123456789abcdef0",
  address: FROM,
  region: REGION,
  imageId: "ami-1",
  instanceType: "t4g.small",
  userData: "#!/bin/sh\n",
  role: "rehearsal",
  tags: { "aws:autoscaling:groupName": "group" },
  life,
};

let folder: string;
let endpoints: Endpoints;
/** One port for each place that the network would lead to the endpoints. */
const doors: { server: Server; port: number }[] = [];
let services: object;

async function openDoor(to: string, port: number): Promise<number> {
  const server = createServer((socket) => endpoints.accept(socket, { from: FROM, to, port }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const door = { server, port: (server.address() as { port: number }).port };
  doors.push(door);
  return door.port;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "landfall-endpoints-"));
  const certificate = await ensureLocalCertificate(folder, SERVED_NAMES);
  endpoints = makeEndpoints({
    certificate,
    answerers: [fakeAws(account)],
    subjectOf: (address) => (address === FROM ? subject : undefined),
    tell: (call) => calls.push(call),
    resources: [],
  });
  const port = await openDoor("10.213.0.1", 443);
  const ca = readFileSync(certificate.authorityFile);
  class Door extends Agent {
    override createConnection(options: { servername?: string; host?: string }): TLSSocket {
      return connectTls({ port, host: "127.0.0.1", servername: options.servername ?? options.host, ca });
    }
  }
  services = {
    region: REGION,
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
    requestHandler: { httpsAgent: new Door() },
  };
});
afterAll(() => {
  endpoints.stop();
  for (const { server } of doors) server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("the service names", () => {
  it("answer by forms and by JSON, and know who called", async () => {
    account.parameters.set("/a/secret", "value");
    expect((await new STS(services).getCallerIdentity({})).Account).toBe("000000000000");
    expect((await new SSM(services).getParameter({ Name: "/a/secret", WithDecryption: true })).Parameter?.Value).toBe("value");
    const [logs, stream, event] = [
      new CloudWatchLogs(services),
      { logGroupName: "g", logStreamName: "s" },
      { timestamp: Date.now(), message: "hello" },
    ];
    await logs.createLogStream(stream);
    await logs.putLogEvents({ ...stream, logEvents: [event] });
    expect(account.logs.streams.get("g s")).toEqual([event]);
    expect(calls.map(({ from, service, action, status }) => [from, service, action, status])).toEqual([
      [FROM, "sts", "GetCallerIdentity", 200],
      [FROM, "ssm", "GetParameter", 200],
      [FROM, "logs", "CreateLogStream", 200],
      [FROM, "logs", "PutLogEvents", 200],
    ]);
  });

  it("say what they do not have as AWS says it", async () => {
    await expect(new SSM(services).getParameter({ Name: "/not/there" })).rejects.toMatchObject({ name: "ParameterNotFound" });
    await expect(new SSM(services).describeParameters({})).rejects.toMatchObject({ name: "InvalidAction" });
    await expect(new S3(services).getObject({ Bucket: "uploads", Key: "a b" })).rejects.toMatchObject({ name: "InvalidAction" });
    expect(calls.at(-1)).toMatchObject({ service: "s3", action: "GetObject", status: 400 });
    expect(calls.at(-1)?.path).toMatch(/^\/uploads\/a%20b/);
  });
});

describe("the metadata service", () => {
  const ask = async (request: string): Promise<string> => {
    const socket: Socket = connect(await openDoor("169.254.169.254", 80), "127.0.0.1");
    socket.write(`${request}Host: 169.254.169.254\r\nConnection: close\r\n\r\n`);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    return text;
  };
  const get = (path: string, header = "") => ask(`GET ${path} HTTP/1.1\r\n${header}`);

  it("tells only who has a token", async () => {
    expect(await get("/latest/meta-data/instance-id")).toMatch(/^HTTP\/1\.1 401/);
    const given = await ask("PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n");
    const token = `X-aws-ec2-metadata-token: ${given.split("\r\n\r\n")[1]}\r\n`;
    expect(await get("/latest/meta-data/instance-id", token)).toMatch(/\r\n\r\ni-0123456789abcdef0$/);
    expect(await get("/latest/meta-data/tags/instance/aws:autoscaling:groupName", token)).toMatch(/\r\n\r\ngroup$/);
    expect(await get("/latest/meta-data/spot/instance-action", token)).toMatch(/^HTTP\/1\.1 404/);
    void life.terminate(new Promise(() => {}));
    expect(await get("/latest/meta-data/autoscaling/target-lifecycle-state", token)).toMatch(/\r\n\r\nTerminated$/);
  });
});
