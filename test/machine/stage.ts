// A machine as far as its programs look at it: a folder as its root, a metadata service, and stand-ins for `aws`, `systemctl`, `journalctl`
// and what needs root. Every program that is started is written down with its arguments. What reads the journal is tested on a machine that
// has one (`test/machines/logs.test.ts`).
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect } from "vitest";
import { PROGRAMS, programText, SOURCED } from "../../src/machine/programs.ts";
import { compareWithModels } from "../emulator/service-models.ts";
import { hasPython } from "../python.ts";

/** All that the programs call, so that all their arguments are seen. */
const CALLED = "awk cat chmod cmp curl cut cp date df dirname find flock grep gzip head install jq ln mkdir mktemp mv openssl paste rm rmdir";
const CALLED_TOO = "sed seq sha256sum sleep sort ss stat tail tar tee timeout touch tr wc env sh";

/**
 * Answers as AWS would, from files: `aws/ssm/<path>` and `aws/secretsmanager/<arn>` are JSON texts, `aws/s3/<bucket>/<key>` objects.
 * While `aws/broken` stands, its words are the error of every call. `aws/state` is where the instance stands in its group: outside of a hook
 * nothing can be said of one, in AWS's words. A launch hook that is completed puts it into service. `aws/health` is what the balancer finds.
 */
const AWS = `
resolved=()
for word in "$@"; do [[ $word != file://* ]] || word=$(PATH=\${PATH#*"$STAGE/bin:"} cat "\${word#file://}"); resolved+=("$word"); done
(PATH=\${PATH#*"$STAGE/bin:"} && jq -cn '$ARGS.positional' --args -- "\${resolved[@]}" >>"$STAGE/commands")
while [[ $1 == --* ]]; do if [[ $1 == --no-* ]]; then shift; else shift 2; fi; done
service=$1 action=$2; shift 2
value() { local wanted=$1; shift; while (($#)); do [[ $1 != "$wanted" ]] || { echo "$2"; return; }; shift; done; }
missing() { echo "An error occurred ($1) when calling the operation: $2" >&2; exit 254; }
place() { case $1 in s3://*) echo "$STAGE/aws/s3/\${1#s3://}" ;; *) echo "$1" ;; esac; }
[[ ! -e $STAGE/aws/broken ]] || missing "$(<"$STAGE/aws/broken")" "it is broken"
case $service:$action in
  ssm:get-parameter) cat "$STAGE/aws/ssm$(value --name "$@")" 2>/dev/null || missing ParameterNotFound "" ;;
  secretsmanager:get-secret-value) jq -Rs . "$STAGE/aws/secretsmanager/$(value --secret-id "$@")" 2>/dev/null || missing ResourceNotFoundException "" ;;
  s3:cp)
    files=()
    while (($#)); do case $1 in --content-type) shift ;; --*) ;; *) files+=("$1") ;; esac; shift; done
    to=$(place "\${files[1]}"); mkdir -p "$(dirname "$to")"; cp "$(place "\${files[0]}")" "$to" ;;
  autoscaling:describe-auto-scaling-instances) cat "$STAGE/aws/state" 2>/dev/null || echo None ;;
  autoscaling:complete-lifecycle-action | autoscaling:record-lifecycle-action-heartbeat)
    [[ $(cat "$STAGE/aws/state" 2>/dev/null) == *:Wait ]] || missing ValidationError "No active Lifecycle Action found with instance ID $(value --instance-id "$@")"
    [[ $action:$(value --lifecycle-hook-name "$@") != complete-lifecycle-action:boot ]] || echo InService >"$STAGE/aws/state" ;;
  elbv2:describe-target-health) cat "$STAGE/aws/health" ;;
esac
exit 0
`;

/** The last lines of a unit's log, as text. */
const JOURNALCTL = `
[[ " $* " == *" -o cat "* ]] || exit 1
cat "$STAGE/said" 2>/dev/null
exit 0
`;

const SYSTEMCTL = `
case "$*" in
  *NRestarts*) cat "$STAGE/restarts" 2>/dev/null || echo 0 ;;
  *"Result landfall-logs"*) cat "$STAGE/shipped" 2>/dev/null || echo success ;;
  *ActiveState*) cat "$STAGE/active" 2>/dev/null || echo active ;;
  "stop landfall-app.service") [[ ! -e $STAGE/app.pid ]] || kill -TERM "$(<"$STAGE/app.pid")" ;;
esac
exit 0
`;

/** What the programs of this file have asked of AWS: a JSON array of arguments each, in which a file is what was in it. */
const commands: string[] = [];
if (hasPython()) afterAll(() => expect(compareWithModels(commands)).toEqual({}));

export interface Ended {
  code: number;
  /** Output and errors, in their order. */
  said: string;
}

export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), "landfall-machine-"));
  readonly root = join(this.folder, "root");
  /** What the metadata service says, by path. */
  readonly metadata: Record<string, string> = { "instance-id": "i-0123456789abcdef0", "tags/instance/aws:autoscaling:groupName": "web-group" };
  readonly #server: Server = createServer((request, response) => {
    if (request.method === "PUT") return void response.end("token");
    const said = this.metadata[request.url?.replace("/latest/meta-data/", "") ?? ""];
    const known = request.headers["x-aws-ec2-metadata-token"] === "token";
    response.writeHead(known ? (said === undefined ? 404 : 200) : 401).end(said);
  });
  readonly #children = new Set<ChildProcess>();
  settings: Record<string, string> = {
    LANDFALL_APP: "shop",
    LANDFALL_ENVIRONMENT: "production",
    LANDFALL_SERVICE: "web",
    LANDFALL_RELEASE: "7f3c2a",
    LANDFALL_REGION: "eu-central-1",
    LANDFALL_STACK: "shop-production-service-web",
    LANDFALL_GROUP: "BlueGroup",
    LANDFALL_ARTIFACTS: "artifacts",
    LANDFALL_LOG_GROUP: "/landfall/shop/production/web",
    LANDFALL_METRICS: "Landfall/shop/production",
    LANDFALL_SECRETS_PATH: "/landfall/shop/production/secrets/",
    LANDFALL_SECRETS: "",
    LANDFALL_RESOURCES: "",
    LANDFALL_COMMAND: "true",
  };

  async open(): Promise<this> {
    for (const { file, name } of PROGRAMS) this.write(`root/usr/local/lib/landfall/${name}`, programText(file), 0o755);
    for (const file of SOURCED) this.write(`root/usr/local/lib/landfall/${file}`, programText(file));
    for (const name of `${CALLED} ${CALLED_TOO}`.split(" ")) this.#program(name, `exec "$(PATH=\${PATH#*"$STAGE/bin:"} command -v ${name})" "$@"`);
    this.#program("aws", AWS);
    this.#program("journalctl", JOURNALCTL);
    this.#program("systemctl", SYSTEMCTL);
    for (const name of ["chown", "chgrp"]) this.#program(name, "exit 0");
    for (const name of ["run/landfall", "var/lib/landfall", "srv/landfall", "opt/landfall/image"])
      mkdirSync(join(this.root, name), { recursive: true });
    mkdirSync(join(this.folder, "aws"));
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  /** Writes its arguments down in one go, so that those of two at once do not get mixed. */
  #program(name: string, body: string): void {
    this.write(`bin/${name}`, `#!/bin/bash\nprintf -v line ' %q' ${name} "$@"; echo "$line" >>"$STAGE/called"\n${body}\n`, 0o755);
  }

  write(path: string, text: string | Buffer, mode = 0o644): void {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
  }

  read(path: string): string {
    const file = join(this.folder, path);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** Every program that was started, with its arguments, a line each. */
  called = (): string[] => this.read("called").split("\n").filter(Boolean);

  /** Runs lines of bash after the programs' files, with `set -euo pipefail` as programs have it. */
  run(lines: string, sources: string[] = ["machine.sh"]): Promise<Ended> {
    const assigned = Object.entries(this.settings).map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'`);
    const all = ["set -euo pipefail", ...assigned, ...sources.map((file) => `source ${this.root}/usr/local/lib/landfall/${file}`), lines];
    return this.spawn("/bin/bash", ["-c", all.join("\n")]);
  }

  spawn(program: string, args: string[] = []): Promise<Ended> {
    const { port } = this.#server.address() as AddressInfo;
    const env = {
      PATH: `${join(this.folder, "bin")}:${process.env.PATH}`,
      STAGE: this.folder,
      LANDFALL_ROOT: this.root,
      LANDFALL_METADATA: `http://127.0.0.1:${port}/latest`,
    };
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.#children.add(child);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    return new Promise((resolve) => child.on("close", (code) => (this.#children.delete(child), resolve({ code: code ?? -1, said }))));
  }

  /** Ends all that still runs, as a machine that is switched off. */
  kill(): void {
    for (const { pid } of this.#children) if (pid !== undefined) process.kill(-pid, "SIGKILL");
  }

  async close(): Promise<void> {
    this.kill();
    commands.push(...this.read("commands").split("\n").filter(Boolean));
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
