import { expect, test } from "vitest";
import { Outcomes, OutcomesById } from "../../../../src/targets/local/balancer/outcomes.ts";

test("tells each outcome once to a caller that gives back the cursor", () => {
  const outcomes = new Outcomes("a", 10, 5);
  outcomes.add(1, false);
  outcomes.add(2, true);
  const first = outcomes.read();
  expect(first).toEqual({
    id: "a",
    total: 2,
    failed: 1,
    missed: 0,
    next: 5_002,
    samples: [
      { n: 5_000, ms: 1, failed: false },
      { n: 5_001, ms: 2, failed: true },
    ],
  });
  expect(outcomes.read(first.next)).toMatchObject({ samples: [], missed: 0, next: 5_002 });
  outcomes.add(3, false);
  expect(outcomes.read(first.next)).toMatchObject({ samples: [{ n: 5_002, ms: 3, failed: false }], missed: 0, next: 5_003 });
});

test("keeps the last ones only, and says how many a slow caller missed", () => {
  const outcomes = new Outcomes("a", 3, 0);
  for (let ms = 0; ms < 8; ms++) outcomes.add(ms, false);
  expect(outcomes.read(2)).toMatchObject({
    total: 8,
    missed: 3,
    next: 8,
    samples: [
      { n: 5, ms: 5 },
      { n: 6, ms: 6 },
      { n: 7, ms: 7 },
    ],
  });
  expect(outcomes.read(7)).toMatchObject({ missed: 0, samples: [{ n: 7, ms: 7 }] });
});

test("counts on from higher numbers in a later process, so that an old cursor misses nothing", () => {
  const before = new Outcomes("a", 3, 1_000);
  before.add(1, false);
  const later = new Outcomes("a", 3, 1_001);
  later.add(2, false);
  expect(later.read(before.read().next).samples.map(({ ms }) => ms)).toEqual([2]);
});

test("keeps what is known of an instance that left, until a hundred others left after it", () => {
  const all = new OutcomesById();
  all.of("crashed").add(1, true);
  for (let n = 0; n < 99; n++) all.of(`other${n}`);
  all.trim(new Set());
  expect(all.read("crashed")).toMatchObject({ failed: 1 });
  all.of("other99");
  all.trim(new Set());
  expect(all.read("crashed", 7)).toEqual({ id: "crashed", total: 0, failed: 0, missed: 0, samples: [], next: 7 });
});
