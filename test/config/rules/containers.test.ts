// What contradicts in a service that runs as containers.
import { expect, test } from "vitest";
import { validateText } from "../../../src/config/check.ts";
import { fargateMemory } from "../../../src/config/rules/containers.ts";
import type { AppInput } from "../../../src/config/schema.ts";
import { LandfallError } from "../../../src/error.ts";

type Service = AppInput["services"][string];

/** What each problem says, and where; empty when there is none. */
function problems(service: Partial<Service>, production: NonNullable<AppInput["environments"]>[string] = { target: "aws" }): string[] {
  const input = { name: "hello", services: { web: { command: "node web.js", container: {}, ...service } }, environments: { production } };
  try {
    validateText(`export default ${JSON.stringify(input)}`, "landfall.config.ts", input);
    return [];
  } catch (error) {
    if (!(error instanceof LandfallError)) throw error;
    return [error, ...error.more].map(({ parts }) => parts.what);
  }
}

test.each<[Partial<Service>, string]>([
  [{ container: { cpu: 0.25, memory: "4GB" } }, 'Fargate has no task with 0.25 processors and this memory, which service "web" asks for'],
  [{ machine: { types: ["t3.small"] } }, 'service "web" has both "machine" and "container"'],
  [{ singleton: true }, 'service "web" is a singleton and runs as containers'],
  [{ port: 80, drain: { ask: "/ready" } }, 'service "web" has "drain.ask" and runs as containers'],
  [{ port: 80, health: { host: "www.example.com" } }, 'service "web" has "health.host" and runs as containers'],
  [{ stop: { timeout: "10m" } }, 'service "web" may take 10m to stop, and runs as containers'],
  [
    { stop: { signal: "SIGINT" }, container: { dockerfile: "Dockerfile" } },
    'service "web" is stopped by SIGINT, and its image comes from a Dockerfile',
  ],
  [{ schedule: "*/5 * * * *" }, 'a run of service "web" may take 1h, and the next one may begin after 5m'],
  [
    { schedule: "0 0 1 * 1", timeout: "1m" },
    'the schedule of service "web" names both a day of the month and a day of the week, and it runs as containers',
  ],
])("%j is refused", (service, what) => expect(problems(service)).toEqual([what]));

test.each<Partial<Service>>([
  {},
  { port: 80, stop: { timeout: "2m", signal: "SIGINT" } },
  { container: { cpu: 0.5, memory: "1GiB", architecture: "amd64", spot: true, minHealthy: "100%", maxHealthy: "200%" } },
  { schedule: "*/5 * * * *", timeout: "3m" },
  { schedule: "15 3 * * *" },
])("%j is taken", (service) => expect(problems(service)).toEqual([]));

test("an environment may make containers of machines, by the same rules", () => {
  const inProduction = (container: Service["container"]) => ({ target: "aws" as const, services: { web: { container } } });
  expect(problems({ container: undefined, machine: { types: ["t3.small"] } }, inProduction({ cpu: 1, memory: "2GB" }))).toEqual([]);
  expect(problems({ container: undefined, singleton: true }, inProduction({}))).toEqual([
    'service "web" in environment "production" is a singleton and runs as containers',
  ]);
});

test("Fargate's sizes are known by both kinds of gigabyte", () => {
  const size = (cpu: 0.25 | 1 | 16, memory: number) => fargateMemory({ cpu, memory });
  expect([size(0.25, 512_000_000), size(0.25, 2 ** 29), size(1, 2_000_000_000), size(1, 2 ** 31), size(16, 2 ** 35)]).toEqual([
    512, 512, 2048, 2048, 32_768,
  ]);
  expect([size(0.25, 3 * 2 ** 30), size(1, 1_500_000_000), size(16, 2 ** 30)]).toEqual([undefined, undefined, undefined]);
});
