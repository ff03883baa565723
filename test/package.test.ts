// What others install: packed from a fresh clone, put into an empty project of somebody who has nothing of ours, and used there.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { change } from "./end-to-end/sandbox.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "landfall-package-"));
const clone = join(folder, "clone");
const project = join(folder, "project");
const npm = (name: string) => execFileSync("npm", ["config", "get", name], { cwd: root, encoding: "utf8" }).trim();

/** Nothing of this user's but the way to the registry, and what npm has fetched from there before. */
const env = {
  PATH: process.env.PATH,
  HOME: join(folder, "home"),
  LANDFALL_HOME: join(folder, "state"),
  NO_COLOR: "1",
  npm_config_cache: npm("cache"),
  npm_config_userconfig: npm("userconfig"),
  npm_config_registry: npm("registry"),
};
const run = (cwd: string, program: string, ...args: string[]) => spawnSync(program, args, { cwd, env: env as NodeJS.ProcessEnv, encoding: "utf8" });
function succeed(cwd: string, program: string, ...args: string[]): string {
  const { status, stdout, stderr } = run(cwd, program, ...args);
  expect({ status, stderr, out: status === 0 ? "" : stdout }).toMatchObject({ status: 0 });
  return stdout;
}

const MIB = 2 ** 20;
/** Of all that npm put there. */
const sizeOf = (path: string): number =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0) / MIB;

let packed: { filename: string; files: { path: string; mode: number }[] };

beforeAll(() => {
  mkdirSync(env.HOME);
  // As a commit of the working tree would have it.
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  for (const file of files.split("\0").filter((name) => name && statSync(join(root, name), { throwIfNoEntry: false }))) {
    mkdirSync(dirname(join(clone, file)), { recursive: true });
    cpSync(join(root, file), join(clone, file));
  }
});
afterAll(() => {
  run(project, "npx", "landfall", "decommission", "local", "--yes");
  rmSync(folder, { recursive: true, force: true });
});

describe.sequential("the package", () => {
  it("is not packed where nothing can build it, and says what to do", () => {
    const { status, stderr } = run(clone, "npm", "pack", "--json");
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/error: Landfall cannot be packed .* First run: {2}npm ci/);
    expect(readdirSync(clone).filter((name) => name.endsWith(".tgz"))).toEqual([]);
  });

  it("is packed with all that it needs, and nothing else", async () => {
    symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
    mkdirSync(join(clone, "dist"));
    for (const name of ["gone.js", "gone.d.ts", "gone.js.map", ".built"]) writeFileSync(join(clone, "dist", name), "");
    [packed] = JSON.parse(succeed(clone, "npm", "pack", "--json")) as [typeof packed];
    const paths = packed.files.map(({ path }) => path);
    expect(packed.files.find(({ path }) => path === "bin/landfall.js")?.mode).toBe(0o755);
    expect(readFileSync(join(clone, "bin/landfall.js"), "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
    const kinds =
      /^(dist\/.*\.(js|d\.ts)|dist\/(cli\/bundle|targets\/aws\/account\/sdk)\/LICENSES\.txt|docs\/.*\.md|bin\/landfall\.js|src\/machine\/programs\/[\w-]+\.\w+|LICENSE|README\.md|package\.json)$/;
    expect(paths.filter((path) => !kinds.test(path))).toEqual([]);
    expect(paths.filter((path) => path.includes("gone"))).toEqual([]);
    for (const source of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts")))
      expect(paths).toContain(`dist/${source.replace(/\.ts$/, ".js")}`);
    const tarball = readFileSync(join(clone, packed.filename));
    expect((await publint({ pack: { tarball: new Uint8Array(tarball).buffer }, strict: true })).messages).toEqual([]);
  });

  it("is installed into an empty project", () => {
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), JSON.stringify({ name: "tiny", private: true, type: "module" }));
    succeed(project, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--save-dev", join(clone, packed.filename));
    expect(succeed(project, "npx", "landfall", "--help")).toContain("landfall");
    expect(succeed(project, "node", "--input-type=module", "-e", 'import { defineApp } from "landfall"; console.log(typeof defineApp)')).toBe(
      "function\n",
    );
  });

  it("brings little with it, and of AWS only what is called", () => {
    const modules = join(project, "node_modules");
    expect(sizeOf(modules)).toBeLessThan(120);
    expect(sizeOf(join(modules, "landfall/dist/targets/aws/account/sdk"))).toBeLessThan(8);
    expect(sizeOf(join(modules, "landfall/dist/cli/bundle"))).toBeLessThan(6);
    const packages = [modules, join(modules, "@aws-sdk")].flatMap((path) => (existsSync(path) ? readdirSync(path) : []));
    // The local queue and bucket bring three clients of their own.
    expect(packages.filter((name) => /^(client-(?!s3$|sns$|sqs$)|aws-cdk|constructs)/.test(name))).toEqual([]);
    const licencesIn = (path: string) => readFileSync(join(modules, "landfall/dist", path, "LICENSES.txt"), "utf8");
    expect(licencesIn("targets/aws/account/sdk")).toMatch(/@aws-sdk\/client-ec2 3\.[\s\S]*Apache License/);
    expect(licencesIn("cli/bundle")).toMatch(/zod 4\.[\s\S]*Permission is hereby granted/);
  });

  it("takes an app to this machine, and plans it on AWS", () => {
    const node =
      'import { createServer } from "node:http";\ncreateServer((_, answer) => answer.end("tiny")).listen(Number(process.env.PORT), "127.0.0.1");\n';
    writeFileSync(join(project, ".gitignore"), "node_modules\n");
    execFileSync("git", ["init", "-q"], { cwd: project });
    change(project, "server.js", node);
    change(
      project,
      "landfall.config.ts",
      `import { defineApp } from "landfall";

export default defineApp({
  name: "tiny",
  environments: { local: { target: "local" }, production: { target: "aws", region: "eu-central-1" } },
  services: { web: { command: "exec node server.js", port: 8080, instances: 1, health: { interval: "200ms", steadyFor: "200ms" } } },
});
`,
    );
    expect(succeed(project, "npx", "landfall", "check")).toContain("tiny");
    succeed(project, "npx", "landfall", "commission", "local");
    succeed(project, "npx", "landfall", "deploy", "local");
    const { address } = JSON.parse(succeed(project, "npx", "landfall", "status", "local", "--json")) as { address: string };
    expect(succeed(project, "curl", "-s", address)).toBe("tiny");
    // The templates, the programs of machines and the table of prices are in the package too.
    expect(succeed(project, "npx", "landfall", "plan", "production", "--fresh")).toContain("USD");
  });

  it("speaks to AWS with every client that it has", async () => {
    const asked: string[] = [];
    const server = createServer((request, answer) => {
      asked.push(request.headers.authorization ?? "");
      answer.writeHead(400).end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const program = `
      const { makeClients } = await import("./node_modules/landfall/dist/targets/aws/account/clients.js");
      const clients = makeClients({ region: "eu-central-1" });
      for (const name of Object.keys(clients)) {
        const client = await clients[name]();
        const list = Object.getOwnPropertyNames(Object.getPrototypeOf(client)).find((method) => /^(list|describe|get)/.test(method));
        await client[list]({}).catch(() => {});
      }
      console.log(Object.keys(clients).length);`;
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      cwd: project,
      env: {
        ...env,
        AWS_ENDPOINT_URL: address,
        AWS_ACCESS_KEY_ID: "key",
        AWS_SECRET_ACCESS_KEY: "secret",
        AWS_MAX_ATTEMPTS: "1",
      } as NodeJS.ProcessEnv,
    });
    const [count] = await Promise.all([text(child.stdout), once(child, "close")]);
    server.close();
    expect(Number(count)).toBeGreaterThan(20);
    const services = asked.map((authorization) => /\/([\w-]+)\/aws4_request/.exec(authorization)?.[1]);
    for (const service of ["cloudformation", "ec2", "sts", "ssm", "iam", "rds", "logs"]) expect(services).toContain(service);
  });

  it("says what is missing where npm left it out, and what to type, and that helps", () => {
    const bare = join(folder, "bare");
    mkdirSync(bare);
    writeFileSync(join(bare, "package.json"), JSON.stringify({ name: "bare", private: true, type: "module" }));
    cpSync(join(project, "landfall.config.ts"), join(bare, "landfall.config.ts"));
    const own = { ...env, LANDFALL_HOME: join(folder, "untouched") } as NodeJS.ProcessEnv;
    const landfall = (...words: string[]) => spawnSync("npx", ["landfall", ...words], { cwd: bare, env: own, encoding: "utf8" });
    succeed(bare, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--omit=optional", join(clone, packed.filename));
    const { status, stderr } = landfall("commission", "local", "--json");
    const { error } = JSON.parse(stderr) as { error: { code: string; where: string; next: string } };
    expect({ status, ...error }).toMatchObject({ status: 2, code: "PACKAGE_MISSING", standing: "Nothing was changed." });
    expect(error.where).toMatch(/^npm package @oxc-parser\/binding-/);
    expect(existsSync(own.LANDFALL_HOME as string)).toBe(false);
    const [program = "", ...words] = error.next.split(" ");
    succeed(bare, program, ...words, "--prefer-offline");
    expect(landfall("check").stdout).toContain("tiny");
  });

  it("reads a configuration anew once another version of it was put in its place, whose files bear the same time", () => {
    const evaluated = () => run(project, "npx", "landfall", "status", "local").stderr.includes("another version");
    for (const name of ["dist/config/evaluate.js", "dist/cli/bundle/evaluate.js"]) {
      const file = join(project, "node_modules/landfall", name);
      const { mtime } = statSync(file);
      writeFileSync(file, `${readFileSync(file, "utf8")}\nprocess.stderr.write("another version\\n");`);
      utimesSync(file, mtime, mtime);
    }
    expect([evaluated(), evaluated()]).toEqual([true, false]);
  });

  it("works from elsewhere for a configuration that has no package beside it", () => {
    const alone = join(folder, "alone");
    mkdirSync(alone);
    cpSync(join(project, "landfall.config.ts"), join(alone, "landfall.config.ts"));
    expect(succeed(alone, join(project, "node_modules/.bin/landfall"), "check")).toContain("tiny");
  });

  describe("has types that need nothing else", () => {
    const check = (module: string, resolution: string, ...files: string[]) =>
      run(
        project,
        process.execPath,
        join(root, "node_modules/typescript/bin/tsc"),
        ...["--noEmit", "--strict", "--target", "es2022", "--lib", "es2023,dom", "--skipLibCheck", "false", "--types", ""],
        ...["--module", module, "--moduleResolution", resolution, ...files],
      ).stdout;
    // A package that another wants beside itself; an app with its own way of installing may be without.
    beforeAll(() => rmSync(join(project, "node_modules/@types"), { recursive: true, force: true }));

    it.each([
      ["nodenext", "nodenext"],
      ["esnext", "bundler"],
      ["preserve", "bundler"],
    ])("for %s with %s", (module, resolution) => {
      writeFileSync(
        join(project, "use.ts"),
        `import { type App, check, type DeployOptions, type EnvironmentTarget, LandfallError, openEnvironment, type Status } from "landfall";
export async function use(options: DeployOptions): Promise<Status> {
  const target: EnvironmentTarget = await openEnvironment("local", { signal: new AbortController().signal });
  const { release }: { release: string } = await target.deploy(options);
  if (!release) throw new LandfallError({ code: "RELEASE_UNKNOWN", what: "", standing: "" });
  return target.status();
}
export const nameOf = (app: App): string => app.name;
export const checked: Promise<{ file: string }> = check();
`,
      );
      expect(check(module, resolution, "landfall.config.ts", "use.ts")).toBe("");
    });

    it("and that know a wrong value", () => {
      writeFileSync(join(project, "wrong.ts"), readFileSync(join(project, "landfall.config.ts"), "utf8").replace("port: 8080", 'port: "8080"'));
      expect(check("nodenext", "nodenext", "wrong.ts")).toContain("Type 'string' is not assignable to type 'number'");
      expect(readdirSync(join(project, "node_modules"))).not.toContain("@types");
    });
  });
});
