import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes minutes begins first: otherwise one worker is left alone with it at the end. */
const SLOW = [
  "rehearsal",
  "machines/canary",
  "palette",
  "crashes",
  "shared-releases",
  "secrecy",
  "package",
  "node-versions",
  "opinions",
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
    // Tests start real processes: a fork each keeps their signals and working folders apart, and two at a time leave the machine some air.
    pool: "forks",
    maxWorkers: 2,
    sequence: { sequencer: SlowFirst },
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 20_000 } },
    globalSetup: ["test/global-setup.ts"],
  },
});
