// Which engine is taken, what it is told and how, and what is said when it fails. Engines are small programs of the test's own.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { execInTask } from "../../../../../src/targets/aws/operations/exec-in-task.ts";
import { buildImage, findEngine, pushImage } from "../../../../../src/targets/aws/releases/account/container-builder.ts";

const { PATH, DOCKER_HOST } = process.env;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "landfall-engine-"));
  // Nothing else is found, but for the shell's own programs.
  process.env.PATH = folder;
  delete process.env.DOCKER_HOST;
});
afterEach(() => {
  process.env.PATH = PATH;
  if (DOCKER_HOST !== undefined) process.env.DOCKER_HOST = DOCKER_HOST;
  rmSync(folder, { recursive: true, force: true });
});

function program(name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\nfolder=${folder}\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
}
const said = (file: string) => readFileSync(join(folder, file), "utf8");
const BUILD = { dockerfile: "Dockerfile", image: "registry/name:1", architecture: "amd64" as const, emit: () => {} };
const REGISTRY = { host: "registry.example.com", user: "AWS", password: "the-token" };

test("the first that answers is taken: a client without its daemon is none", async () => {
  program("docker", 'echo "Cannot connect to the Docker daemon" >&2; exit 1');
  program("podman", "echo 5.4.2");
  program("buildah", "echo buildah version 1.39.3");
  expect(await findEngine()).toEqual({ program: "podman", version: "5.4.2" });
});

test("without one it is said what each answered", async () => {
  program("docker", 'echo "Cannot connect to the Docker daemon" >&2; exit 1');
  await expect(findEngine()).rejects.toMatchObject({
    code: "CONTAINER_ENGINE_MISSING",
    parts: {
      evidence: [
        ["docker", "Cannot connect to the Docker daemon"],
        ["podman", "is not on the PATH"],
        ["buildah", "is not on the PATH"],
      ],
      next: expect.stringContaining("apt-get install podman"),
    },
  });
});

test("an image is built for the service's architecture, and a failure has the last lines", async () => {
  program("buildah", 'echo "$@" >"$folder/argv"; echo "exec format error"; exit 3');
  const engine = { program: "buildah", version: "1" } as const;
  await expect(buildImage(engine, { ...BUILD, folder })).rejects.toMatchObject({
    code: "CONTAINER_BUILD_FAILED",
    parts: { why: "This machine cannot run programs for amd64.", evidence: [["last lines", "exec format error"]] },
  });
  expect(said("argv").trim()).toBe(`build --platform linux/amd64 --file ${join(folder, "Dockerfile")} --tag registry/name:1 ${folder}`);
});

test("the token goes over standard input, and what an engine keeps of it goes with the push", async () => {
  program(
    "podman",
    'echo "$@" >>"$folder/argv"; if [ "$1" = login ]; then read -r token; echo "$token" >"$folder/token"; : >"$REGISTRY_AUTH_FILE"; fi; echo "$REGISTRY_AUTH_FILE" >"$folder/kept"',
  );
  await pushImage({ program: "podman", version: "5" }, "registry.example.com/name:1", REGISTRY, () => {});
  expect(said("argv")).toBe("login --username AWS --password-stdin registry.example.com\npush registry.example.com/name:1\n");
  expect(said("token")).toBe("the-token\n");
  expect(existsSync(said("kept").trim())).toBe(false);
});

test.each([
  ["login", 'test "$1" != login || { echo "unauthorized"; exit 1; }', "podman could not log in to registry.example.com: it ended with status 1"],
  ["push", 'test "$1" != push || { echo "denied"; exit 5; }', "podman could not push registry.example.com/name:1: it ended with status 5"],
])("a registry that refuses a %s is quoted", async (_, script, what) => {
  program("podman", script);
  await expect(pushImage({ program: "podman", version: "5" }, "registry.example.com/name:1", REGISTRY, () => {})).rejects.toMatchObject({
    code: "CONTAINER_PUSH_FAILED",
    parts: { what, evidence: [["last lines", expect.stringMatching(/unauthorized|denied/)]] },
  });
});

test("a command in a container needs AWS's plugin, and says so before it asks anything", async () => {
  const nobody = {} as Parameters<typeof execInTask>[0];
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  await expect(execInTask(nobody, { cluster: "c", instance: "t", argv: ["ls"], region: "r" }, streams)).rejects.toMatchObject({
    code: "SESSION_PLUGIN_MISSING",
  });
});
