import { expect, it } from "vitest";
import { rehearse } from "../../src/rehearse/rehearse.ts";
import { production, SMALL } from "../targets/aws/stacks/apps.ts";

it("refuses to rehearse on machines what runs as containers", async () => {
  const app = production({ ...SMALL, services: { web: { command: "exec node server.js", port: 3000, container: {} } } });
  const input = { app, folder: "/nowhere", max: 2, rate: 1, strategies: [], dirty: true, emit: () => {} };
  await expect(rehearse(input)).rejects.toMatchObject({ code: "REHEARSAL_IMPOSSIBLE", parts: { what: expect.stringContaining('"web"') } });
});
