import { expect, test } from "vitest";
import { describePreflight } from "../../../src/cli/print/preflight.ts";

test("a preflight is told question by question, what would fail first", () => {
  const text = describePreflight({
    app: "shop",
    environment: "production",
    account: "123456789012",
    region: "eu-central-1",
    answers: [
      {
        about: "permissions",
        asked: "412 calls of 10 groups of commands, as arn:aws:iam::123456789012:user/eve",
        findings: [
          { what: "deploy: 1 call is not allowed", why: "ec2:RunInstances", next: "landfall iam production deploy   prints what is needed" },
        ],
        unasked: [],
      },
      {
        about: "stacks",
        asked: "2 of 6 stacks, by change sets",
        findings: [],
        unasked: ["stack shop-production-edge: it needs what other stacks give"],
      },
    ],
  });
  expect(text).toBe(`account 123456789012, region eu-central-1

permissions: 412 calls of 10 groups of commands, as arn:aws:iam::123456789012:user/eve
  ✗ deploy: 1 call is not allowed
      ec2:RunInstances
      Next: landfall iam production deploy   prints what is needed

stacks: 2 of 6 stacks, by change sets
  not asked: stack shop-production-edge: it needs what other stacks give

1 thing would fail. Nothing was changed.`);
});

test("one that finds nothing says what comes next", () => {
  const text = describePreflight({ app: "shop", environment: "production", account: "1", region: "eu-central-1", answers: [] });
  expect(text).toMatch(/AWS would refuse nothing of what was asked\. Next: landfall commission production$/);
});
