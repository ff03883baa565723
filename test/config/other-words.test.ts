// Words that other tools have, and that Landfall had, are errors that name the right one.
import { describe, expect, test } from "vitest";
import { errorOfLiteral } from "./folders.ts";

const app = (service: string, rest = "") => `({ name: "a", services: { web: { command: "x", port: 1, ${service} } }, ${rest} })`;
const aws = (keys: string) => app("", `environments: { production: { target: "aws", ${keys} } }`);

describe("the former word of a key is a suggestion", () => {
  test.each([
    [aws('alerts: ["mailto:a@example.com"]'), "alerts", "notify"],
    [aws("costCeiling: 5"), "costCeiling", "budget"],
    [app("", 'resources: { jobs: { type: "queue", deadLetterAfter: 3 } }'), "deadLetterAfter", "maxReceiveCount"],
    [app('health: { deadline: "9s" }'), "deadline", "startupTimeout"],
    [app("", "rollout: { canary: { samples: 100 } }"), "samples", "minRequests"],
    [app('container: { healthy: { least: "50%" } }'), "healthy", "minHealthy"],
  ])("%s", async (literal, old, meant) => {
    const text = await errorOfLiteral(literal);
    expect(text).toContain(`unrecognized key "${old}"`);
    expect(text).toContain(`did you mean "${meant}"?`);
  });
});

describe("other tools' words are suggestions", () => {
  test.each([
    [app("replicas: 3"), "instances"],
    [app("env: {}"), "environment"],
    [app("healthcheck: {}"), "health"],
    [app('health: { start_period: "9s" }'), "startupTimeout"],
    [app('stop_grace_period: "9s"'), "stop"],
    [app("", "accessories: {}"), "resources"],
    [app("", 'release: { releaseCommand: "x" }'), "expand"],
    [app("", 'resources: { db: { type: "postgresql" } }'), "postgres"],
    [app("", 'resources: { db: { type: "redis" } }'), "cache"],
  ])("%s", async (literal, meant) => expect(await errorOfLiteral(literal)).toContain(`did you mean "${meant}"?`));
});
