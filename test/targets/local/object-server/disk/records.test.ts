import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Records } from "../../../../../src/targets/local/object-server/disk/records.ts";

const SEGMENT_BYTES = 600;

type Step = { put: string; content: string } | { remove: string } | { reopen: true };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: fc.constantFrom("a", "b", "c", "d"), content: fc.string({ maxLength: 120 }) }) },
  { weight: 3, arbitrary: fc.record({ remove: fc.constantFrom("a", "b", "c", "d") }) },
  { weight: 1, arbitrary: fc.constant({ reopen: true as const }) },
);

it("holds what was put last for each key, however old records are cleared away beside it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 25 }), async (rounds) => {
      const folder = mkdtempSync(join(tmpdir(), "landfall-records-"));
      const openRecords = () => Records.open<string>({ folder, isThere: () => true, segmentBytes: SEGMENT_BYTES });
      let records = await openRecords();
      const model = new Map<string, string>();
      for (const round of rounds) {
        // What is asked for in one moment is under way together.
        const pending: Promise<void>[] = [];
        for (const step of round) {
          if ("put" in step) pending.push(records.put(step.put, step.content, { content: Buffer.from(step.content) }));
          else if ("remove" in step) pending.push(records.delete(step.remove));
          if ("put" in step) model.set(step.put, step.content);
          else if ("remove" in step) model.delete(step.remove);
        }
        await Promise.all(pending);
        if (round.some((step) => "reopen" in step)) {
          await records.close();
          records = await openRecords();
        }
        expect(Object.fromEntries(records.entries())).toEqual(Object.fromEntries(model));
        for (const [key, value] of model) expect((await records.content(key))?.toString()).toBe(value);
      }
      await records.close();
      rmSync(folder, { recursive: true });
    }),
    { numRuns: 40 },
  );
});

it("takes no more room than twice what is of use, and a segment", async () => {
  const folder = mkdtempSync(join(tmpdir(), "landfall-records-"));
  const records = await Records.open<number>({ folder, isThere: () => true, segmentBytes: 4_000 });
  for (let round = 0; round < 60; round++)
    await Promise.all(Array.from({ length: 20 }, (_, index) => records.put(`key ${index}`, round, { content: Buffer.alloc(50) })));
  await records.close();
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  expect(bytes).toBeLessThan(2 * 20 * 80 + 3 * 4_000);
  rmSync(folder, { recursive: true });
});
