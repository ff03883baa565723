import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    // Tests start real processes: a fork each keeps their signals and working folders apart, and two at a time leave the machine some air.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    globalSetup: ["test/global-setup.ts"],
  },
});
