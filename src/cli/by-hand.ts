// Commands that are run by hand: on one instance with the streams of this process, or on many with what each prints told apart.
import { constants } from "node:os";
import { Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { type EnvironmentTarget, type ExecReport, LandfallError, openEnvironment } from "../index.ts";
import type { SendSignal } from "../system/command-streams.ts";
import { passingSignals } from "./interruption.ts";
import { ownStreams, printErr, printJson, printOut } from "./print/terminal.ts";

interface Asked {
  env: string;
  service: string;
  argv: string[];
  instance?: string;
  json?: boolean;
  verbose?: boolean;
}

/** For `--json`. More than this of one stream is not kept. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** A longer line is printed in parts. */
const LINE_LENGTH_MAX = 1024 * 1024;
const NUMBERS: Readonly<Record<string, number>> = constants.signals;
/** Instances that a command can be run on; what is kept warm or goes away is none of those that serve. */
const RUNNING = ["healthy", "unhealthy", "starting", "unknown"];

/** The command's exit status. */
export async function runOnOne(asked: Asked): Promise<number> {
  const environment = await open(asked);
  const report = await passingSignals((onStart) => (asked.json ? collect : passOn)(environment, asked, { instance: asked.instance, onStart }));
  if (asked.json) printJson(report);
  else if (report.failure) printErr(`landfall: ${report.failure}`);
  return statusOf(report);
}

/** Zero when all ended so, else the first other status in the order of the instances. */
export async function runOnAll(asked: Asked): Promise<number> {
  const environment = await open(asked);
  const instances = await findInstances(environment, asked);
  const run = asked.json ? collect : label;
  const reports = await passingSignals((onStart) => Promise.all(instances.map((instance) => run(environment, asked, { instance, onStart }))));
  if (asked.json) printJson(reports);
  return reports.map(statusOf).find((status) => status !== 0) ?? 0;
}

const open = ({ env, verbose }: Asked): Promise<EnvironmentTarget> =>
  openEnvironment(env, {
    emit: (progress) => {
      // What the command prints on stderr is its own; only what the caller has to know goes between.
      if (progress.type === "warning" || (progress.type === "note" && verbose)) printErr(`landfall: ${progress.text}`);
    },
  });

async function findInstances(environment: EnvironmentTarget, { env, service, argv }: Asked): Promise<string[]> {
  const found = (await environment.status()).services.find(({ name }) => name === service);
  // Refused there, in the words of the target.
  if (!found) await environment.exec(service, argv, { stdout: new Collector(), stderr: new Collector() });
  const instances = found?.instances.filter(({ state }) => RUNNING.includes(state)).map(({ id }) => id) ?? [];
  if (instances.length > 0) return instances;
  throw new LandfallError({
    code: "INSTANCE_UNREACHABLE",
    what: `no instance of service "${service}" runs in environment "${env}"`,
    standing: "Nothing was changed.",
    next: `landfall status ${env}`,
  });
}

interface Where {
  instance?: string;
  onStart: (send: SendSignal) => void;
}

function passOn(environment: EnvironmentTarget, { service, argv }: Asked, where: Where): Promise<ExecReport> {
  return environment.exec(service, argv, { ...where, ...ownStreams() });
}

async function label(environment: EnvironmentTarget, { service, argv }: Asked, { instance = "", onStart }: Where): Promise<ExecReport> {
  const [stdout, stderr] = [labelled(instance, printOut), labelled(instance, printErr)];
  const report = await environment.exec(service, argv, { instance, stdout, stderr, onStart });
  for (const stream of [stdout, stderr]) await new Promise<void>((resolve) => void stream.end(resolve));
  if (statusOf(report) !== 0) printErr(`${instance}  ${describeEnd(report)}`);
  return report;
}

function labelled(name: string, print: (line: string) => void): Writable {
  const decoder = new StringDecoder();
  let rest = "";
  const show = (line: string) => print(`${name}  ${line}`);
  return new Writable({
    write(chunk: Buffer, _, done) {
      const lines = (rest + decoder.write(chunk)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) show(line);
      if (rest.length > LINE_LENGTH_MAX) {
        show(rest);
        rest = "";
      }
      done();
    },
    final(done) {
      rest += decoder.end();
      if (rest) show(rest);
      done();
    },
  });
}

class Collector extends Writable {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    if (this.#bytes < KEPT_BYTES_MAX) this.#chunks.push(chunk.subarray(0, KEPT_BYTES_MAX - this.#bytes));
    this.#bytes += chunk.length;
    done();
  }

  /** What is no text is given in base64, and said to be. */
  describe(name: "stdout" | "stderr") {
    const whole = Buffer.concat(this.#chunks);
    const text = whole.toString();
    const isText = Buffer.from(text).equals(whole);
    return {
      [name]: isText ? text : whole.toString("base64"),
      ...(!isText && { [`${name}Encoding`]: "base64" }),
      ...(this.#bytes > KEPT_BYTES_MAX && { [`${name}Cut`]: this.#bytes - KEPT_BYTES_MAX }),
    };
  }
}

async function collect(environment: EnvironmentTarget, { service, argv }: Asked, where: Where) {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const report = await environment.exec(service, argv, { ...where, stdout, stderr });
  return { ...report, ...stdout.describe("stdout"), ...stderr.describe("stderr") };
}

const statusOf = ({ code, signal }: ExecReport): number => (signal ? 128 + (NUMBERS[signal] ?? 0) : (code ?? 1));

function describeEnd({ code, signal, failure }: ExecReport): string {
  if (failure) return failure;
  return signal ? `ended by ${signal}` : `exit status ${code ?? "unknown"}`;
}
