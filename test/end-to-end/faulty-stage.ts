// A standing environment of the fixture `faulty`, onto which releases of the catalogue are deployed while its address is asked.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommissionReport, DeployReport, Status } from "../../src/reports.ts";
import { configOf, type Variant } from "./catalogue.ts";
import { change, type makeSandbox, type Outcome } from "./sandbox.ts";

/** The value of the fixture's secret: no output may hold it. */
export const SECRET = "horse-battery-staple-4711";

export type Stage = Awaited<ReturnType<typeof makeStage>>;

/** Commissions `faulty-<index>` and deploys a release without a fault. */
export async function makeStage(sandbox: ReturnType<typeof makeSandbox>, index: number) {
  const name = `faulty-${index}`;
  const app = sandbox.copyApp("test/fixtures/apps/faulty", name);
  const data = join(sandbox.home, "apps", name, "environments", "local", "data", "services");
  /** While it is there, the fixture's web process says “not yet”. */
  const veto = join(data, "web", "veto");
  let number = 0;

  const release = ({ fault, config }: Variant): void => {
    writeFileSync(join(app, "landfall.config.ts"), configOf(name, config));
    number += 1;
    change(app, "fault.json", JSON.stringify({ ...fault, number }));
  };
  const run = async <T>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await sandbox.runWithInput(`${SECRET}\n`, app, ...args);
    if (code !== 0) throw new Error(`landfall ${args.join(" ")} ended with ${code}\n${stderr}`);
    return (args.includes("--json") ? JSON.parse(stdout) : undefined) as T;
  };

  release({ fault: {} });
  const { address } = await run<CommissionReport>("commission", "local", "--json");
  await run("secrets", "set", "local", "SESSION_KEY");
  const { release: good } = await run<DeployReport>("deploy", "local", "--json");
  return {
    good,
    /** What the fixture wrote down of what happened to it. */
    marks: ["web", "worker", ""].map((service) => join(data, service, "marks.jsonl")),
    status: () => run<Status>("status", "local", "--json"),

    /** Deploys a release of that kind; `lost` are the answers meanwhile that no release gave. */
    async deploy(variant: Variant, hear: (text: string) => void = () => {}): Promise<Outcome & { asked: number; lost: string[] }> {
      release(variant);
      if (variant.veto) writeFileSync(veto, "");
      const stopWatching = watchAddress(address);
      const { child, ended } = sandbox.start(app, "deploy", "local");
      child.stdin.end();
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => hear(chunk.toString()));
      const outcome = await ended;
      rmSync(veto, { force: true });
      return { ...outcome, ...(await stopWatching()) };
    },
  };
}

/** The code that a failed command named, or "none". */
export const codeOf = ({ code, stderr }: Outcome): string =>
  code === 0 ? "none" : (/^error: .*?([A-Z][A-Z_]{4,})$/m.exec(stderr)?.[1] ?? `exit ${code}`);

function watchAddress(address: string) {
  const lost: string[] = [];
  let asked = 0;
  let going = true;
  const done = (async () => {
    while (going) {
      const answer = await fetch(address).then(async (response) => `${response.status} ${await response.text()}`, String);
      asked += 1;
      if (!/^200 release \w+\n$/.test(answer)) lost.push(answer);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return async () => {
    going = false;
    await done;
    return { asked, lost };
  };
}
