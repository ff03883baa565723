// The program on this machine that makes container images and brings them to a registry: docker, podman or buildah, whichever answers.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { LandfallError } from "../../../../error.ts";

export interface Engine {
  program: "docker" | "podman" | "buildah";
  version: string;
}

const TAIL_LINES = 40;
/** An engine that does not answer this question by then is not there for us. */
const ANSWER_MS = 20_000;

interface Ended {
  code: number;
  /** Its last lines, of both streams. */
  tail: string[];
}

interface Run {
  argv: string[];
  /** Written to its standard input: what must not be an argument. */
  input?: string;
  env?: Record<string, string>;
  emit?: (line: string) => void;
  signal?: AbortSignal;
}

/** Not found is 127, as a shell has it. */
function run({ argv: [program = "", ...args], input, env, emit, signal }: Run): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env }, signal });
    const tail: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on("line", (line) => {
        if (line.trim() === "") return;
        tail.push(line);
        if (tail.length > TAIL_LINES) tail.shift();
        emit?.(line);
      });
    // One that ended before it read everything says why itself.
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
    child.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ENOENT" || error.code === "EACCES" ? resolve({ code: 127, tail: [error.message] }) : reject(error),
    );
    child.on("close", (code) => resolve({ code: code ?? 1, tail }));
  });
}

/** How each is asked; docker's client answers without its daemon, so the daemon's version is asked for. */
const QUESTIONS: [Engine["program"], string[]][] = [
  ["docker", ["version", "--format", "{{.Server.Version}}"]],
  ["podman", ["version", "--format", "{{.Client.Version}}"]],
  ["buildah", ["version"]],
];

/** Errors: CONTAINER_ENGINE_MISSING, with what each one said. */
export async function findEngine(): Promise<Engine> {
  const answers: [string, string][] = [];
  for (const [program, question] of QUESTIONS) {
    const { code, tail } = await run({ argv: [program, ...question], signal: AbortSignal.timeout(ANSWER_MS) });
    if (code === 0) return { program, version: /\d+(\.\d+)+/.exec(tail.join(" "))?.[0] ?? "" };
    answers.push([program, code === 127 ? "is not on the PATH" : (tail.at(-1) ?? `ended with status ${code}`)]);
  }
  throw new LandfallError({
    code: "CONTAINER_ENGINE_MISSING",
    what: "no engine on this machine can make a container image",
    evidence: answers,
    standing: "Nothing was changed. The live release is not affected.",
    next: "apt-get install podman   (or buildah, or docker.io with its daemon running)",
  });
}

export interface Build {
  folder: string;
  /** Below the folder. */
  dockerfile: string;
  /** With its tag. */
  image: string;
  architecture: "arm64" | "amd64";
  emit: (line: string) => void;
  signal?: AbortSignal;
}

/** Errors: CONTAINER_BUILD_FAILED with the last lines. */
export async function buildImage({ program }: Engine, { folder, dockerfile, image, architecture, emit, signal }: Build): Promise<void> {
  const options = ["--platform", `linux/${architecture}`, "--file", join(folder, dockerfile), "--tag", image];
  const { code, tail } = await run({
    argv: [program, "build", ...options, folder],
    // One manifest, so that the tag's digest is the image's own.
    env: { BUILDX_NO_DEFAULT_ATTESTATIONS: "1" },
    emit,
    signal,
  });
  if (code === 0) return;
  const foreign = tail.some((line) => /exec format error/i.test(line));
  throw new LandfallError({
    code: "CONTAINER_BUILD_FAILED",
    what: `${program} could not make the container image from ${dockerfile}: it ended with status ${code}`,
    evidence: tail.slice(-12).map((line, index): [string, string] => [index === 0 ? "last lines" : "", line]),
    ...(foreign ? { why: `This machine cannot run programs for ${architecture}.` } : {}),
    standing: "No release was made. The live release is not affected.",
    next: foreign
      ? `apt-get install qemu-user-static, or set container.architecture to this machine's`
      : "make the failing step work, then deploy again",
  });
}

export interface Registry {
  /** Its host. */
  host: string;
  user: string;
  password: string;
}

/**
 * Pushes an image. The password goes over standard input, and what the engine keeps of it lies in a folder of our own, only for so long.
 * Errors: CONTAINER_PUSH_FAILED.
 */
export async function pushImage(
  engine: Engine,
  image: string,
  registry: Registry,
  emit: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "landfall-registry-"));
  const env = { DOCKER_CONFIG: folder, REGISTRY_AUTH_FILE: join(folder, "auth.json"), ...(await endpointOf(engine)) };
  try {
    const login = ["login", "--username", registry.user, "--password-stdin", registry.host];
    const loggedIn = await run({ argv: [engine.program, ...login], input: registry.password, env, signal });
    if (loggedIn.code !== 0) throw pushFailed(engine, `log in to ${registry.host}`, loggedIn);
    const pushed = await run({ argv: [engine.program, "push", image], env, emit, signal });
    if (pushed.code !== 0) throw pushFailed(engine, `push ${image}`, pushed);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Which daemon docker speaks to is part of the settings that are put aside for the push. */
async function endpointOf({ program }: Engine): Promise<Record<string, string>> {
  if (program !== "docker" || process.env.DOCKER_HOST) return {};
  const { code, tail } = await run({ argv: ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"] });
  const host = tail.at(-1)?.trim();
  return code === 0 && host ? { DOCKER_HOST: host } : {};
}

const pushFailed = ({ program }: Engine, what: string, { code, tail }: Ended) =>
  new LandfallError({
    code: "CONTAINER_PUSH_FAILED",
    what: `${program} could not ${what}: it ended with status ${code}`,
    evidence: tail.slice(-6).map((line, index): [string, string] => [index === 0 ? "last lines" : "", line]),
    standing: "No release was made. The live release is not affected.",
    next: "run the command again",
  });
