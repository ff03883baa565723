import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes minutes begins first: otherwise one worker is left alone with it at the end. */
const SLOW = [
  "rehearsal",
  "machines/canary",
  "crashes",
  "node-versions",
  "opinions",
  "palette",
  "shared-releases",
  "secrecy",
  "package",
  "applications",
  "faults",
  "trust",
  "fleet",
  "guestbook",
  "logs",
  "commission",
  "generated",
];

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => SLOW.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
    const order = (file: TestSpecification) => (rank(file) === -1 ? SLOW.length : rank(file));
    return [...(await super.sort(files))].sort((one, other) => order(one) - order(other));
  }
}

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    // Tests start real processes: a fork each keeps their signals and working folders apart. Many wait, for machines that boot and for windows that pass,
    // so that more run at a time than a small machine has processors. What `npm test` says of those at its end tells whether still more would help.
    pool: "forks",
    maxWorkers: 3,
    sequence: { sequencer: SlowFirst },
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 20_000 } },
    globalSetup: ["test/global-setup.ts"],
  },
});
