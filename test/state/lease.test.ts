import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { withLease } from "../../src/state/lease.ts";

it("lets one operation at a time, and names the one that holds it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "landfall-lease-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "environment", "lease.json");
  let refused: Promise<unknown> = Promise.resolve();
  await withLease(file, "deploy", async () => {
    refused = withLease(file, "scale", async () => "never");
    await expect(refused).rejects.toMatchObject({
      code: "LEASE_HELD",
      exitCode: 3,
      parts: {
        what: '"scale" has to wait: another operation holds this environment',
        why: expect.stringMatching(new RegExp(`^"deploy" runs since \\d{4}-.*Z \\(process ${process.pid}, user .+\\)$`)),
        standing: "Nothing was changed.",
      },
    });
  });
  // Freed by an end and by a failure alike.
  await expect(withLease(file, "deploy", () => Promise.reject(new Error("broke")))).rejects.toThrow("broke");
  expect(await withLease(file, "deploy", async () => "done")).toBe("done");
});
