// What the machine that is the way out does at a start, with programs and addresses of the test's own.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { natScript } from "../../../../../src/targets/aws/templates/network/nat-script.ts";

const DOCUMENT = JSON.stringify({ instanceId: "i-0f1e2d3c4b5a69788", region: "eu-central-1" }, null, 2);
const INPUT = { range: "10.0.0.0/16", region: "eu-central-1", suffix: "amazonaws.com", stack: "shop-production-network", resource: "NatInstance" };

const said = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: "utf8" }).trim();

describe("the machine that is the way out", () => {
  let folder: string;
  let server: Server;
  let asked: { method?: string; url: string; authorization?: string }[];
  let statuses: number[];

  const answer = ({ method, url = "", headers }: IncomingMessage): [status: number, text: string] => {
    const path = url.replace("/latest", "");
    if (path === "/api/token") return method === "PUT" ? [200, "TOKEN"] : [405, ""];
    if (path.startsWith("/dynamic/")) {
      if (headers["x-aws-ec2-metadata-token"] !== "TOKEN") return [401, ""];
      return [200, path.endsWith("/signature") ? "c2ln\nbmF0\ndXJl\n" : `${DOCUMENT}\n`];
    }
    asked.push({ method, url, authorization: headers.authorization });
    return [statuses.shift() ?? 200, "{}"];
  };
  const program = (name: string, text: string) => {
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >>"${folder}/log"\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  const run = async (): Promise<number> => {
    const { port } = server.address() as AddressInfo;
    const here = `http://127.0.0.1:${port}`;
    const text = natScript(INPUT)
      .replace("http://169.254.169.254", here)
      .replace("https://cloudformation.eu-central-1.amazonaws.com", here)
      .replaceAll("time.sleep(5)", "time.sleep(0)");
    writeFileSync(join(folder, "script"), text);
    const child = spawn("/bin/sh", [join(folder, "script")], { env: { PATH: folder }, stdio: "inherit" });

    const [code] = await once(child, "exit");
    return code;
  };
  const log = () => readFileSync(join(folder, "log"), "utf8").trim().split("\n");

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "landfall-nat-"));
    asked = [];
    statuses = [];
    server = createServer((request, response) => {
      const [status, text] = answer(request);
      response.writeHead(status).end(text);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    // Nothing of this machine is found but these.
    for (const name of ["cat", "chmod"]) symlinkSync(said("/bin/sh", "-c", `command -v ${name}`), join(folder, name));
    program("python3", `exec "${said("python3", "-c", "import sys; print(sys.executable)")}" "$@"`);
    program("sysctl", "");
    program("sleep", "");
  });
  afterEach(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("goes on while packages are locked, and tells CloudFormation once its rules are there, as cfn-signal does", async () => {
    const nft = join(folder, "nft");
    // As apt answers while Debian updates packages: twice the lists are locked, once the packages.
    program(
      "apt-get",
      `count=$(cat "${folder}/count" 2>/dev/null || echo 0); echo $((count + 1)) >"${folder}/count"
case $count in 0 | 1 | 3) echo "E: Could not get lock" >&2; exit 100 ;; esac
case "$*" in *install*) printf '#!/bin/sh\\necho "nft $*" >>"${folder}/log"\\ncat >"${folder}/rules"\\n' >"${nft}"; chmod 755 "${nft}" ;; esac`,
    );
    expect(await run()).toBe(0);
    expect(log().filter((line) => !line.startsWith("apt-get"))).toEqual([
      "sleep 5",
      "sleep 5",
      "sleep 5",
      "sysctl -qw net.ipv4.ip_forward=1",
      "nft -f -",
      "python3 -",
    ]);
    expect(readFileSync(join(folder, "rules"), "utf8")).toContain("ip saddr 10.0.0.0/16 ip daddr != 10.0.0.0/16 masquerade");
    // aws-cfn-bootstrap 1.4-31: aws_client.py, CFNSigner; cfn_client.py, signal_resource.
    expect(asked).toHaveLength(1);
    const [{ method, url = "", authorization } = {}] = asked;
    expect(method).toBe("GET");
    expect(authorization).toBe(`CFN_V1 ${Buffer.from(DOCUMENT).toString("base64")}:c2lnbmF0dXJl`);
    expect(Object.fromEntries(new URL(url, "http://here").searchParams)).toEqual({
      Action: "SignalResource",
      ContentType: "JSON",
      LogicalResourceId: "NatInstance",
      StackName: "shop-production-network",
      Status: "SUCCESS",
      UniqueId: "i-0f1e2d3c4b5a69788",
      Version: "2010-05-15",
    });
  });

  it("tells nothing without its rules", async () => {
    program("nft", "exit 1");
    expect(await run()).not.toBe(0);
    expect(asked).toEqual([]);
  });

  it.each([
    ["once more while AWS fails", [503, 500, 200], 3],
    ["once where nobody waits for it", [400], 1],
  ])("tells it %s", async (_, given, times) => {
    program("nft", "cat >/dev/null");
    statuses = [...given];
    expect(await run()).toBe(0);
    expect(asked).toHaveLength(times);
  });
});
