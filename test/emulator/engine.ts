// The engine of containers: a program of the tests' own that writes down how it was called and puts a record into the emulator's registry.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";

/** What the engine does: answers, remembers, and on a push tells the registry. */
const ENGINE = `#!/usr/bin/env node
import { appendFileSync, readFileSync } from "node:fs";
const argv = process.argv.slice(2);
const input = argv.includes("--password-stdin") ? readFileSync(0, "utf8") : "";
const file = argv[argv.indexOf("--file") + 1];
const dockerfile = argv[0] === "build" ? readFileSync(file, "utf8") : undefined;
appendFileSync(process.env.FAKE_ENGINE_LOG, JSON.stringify({ argv, input, dockerfile, config: process.env.DOCKER_CONFIG }) + "\\n");
if (argv[0] === "version") console.log("28.2.2");
if (argv[0] === "build" && process.env.FAKE_ENGINE_FAILS) {
  console.log("npm error missing script: assets");
  process.exit(1);
}
if (argv[0] === "push") {
  const { ECR } = await import(process.env.FAKE_ENGINE_SDK);
  const [uri, imageTag] = argv[1].split(/:(?=[^:/]*$)/);
  const imageManifest = JSON.stringify({ schemaVersion: 2, made: argv[1] });
  await new ECR({}).putImage({ repositoryName: uri.slice(uri.indexOf("/") + 1), imageTag, imageManifest });
}
`;

export interface Engine {
  /** A line of JSON for each call. */
  log: string;
  remove(): void;
}

/** Before all other engines of this process's path. With FAKE_ENGINE_FAILS its builds fail. */
export function installEngine(): Engine {
  const programs = mkdtempSync(join(tmpdir(), "landfall-engine-"));
  const { PATH } = process.env;
  const log = join(programs, "log");
  const sdk = pathToFileURL(join(import.meta.dirname, "../../node_modules/@aws-sdk/client-ecr/dist-cjs/index.js")).href;
  Object.assign(process.env, { PATH: `${programs}${delimiter}${PATH}`, FAKE_ENGINE_LOG: log, FAKE_ENGINE_SDK: sdk });
  writeFileSync(join(programs, "docker.mjs"), ENGINE);
  writeFileSync(join(programs, "docker"), `#!/bin/sh\nexec node ${join(programs, "docker.mjs")} "$@"\n`);
  writeFileSync(log, "");
  chmodSync(join(programs, "docker"), 0o755);
  return {
    log,
    remove() {
      process.env.PATH = PATH;
      for (const name of ["FAKE_ENGINE_LOG", "FAKE_ENGINE_SDK"]) delete process.env[name];
      rmSync(programs, { recursive: true, force: true });
    },
  };
}
