// What serves is drawn as its release has it, whatever the file says by now.
import { expect, it } from "vitest";
import { type Deployment, defaultService } from "../../../../../src/config/deployment.ts";
import type { AppInput } from "../../../../../src/config/schema.ts";
import { makeStacks } from "../../../../../src/targets/aws/templates/index.ts";
import type { Rules } from "../../../../../src/targets/aws/templates/shared/running.ts";
import { CONTAINERS, FULL, production, runningIn, SMALL } from "../apps.ts";

const rulesOf = ({ services, routes }: Deployment): Rules => ({ release: "7f3c2a", routes, defaultService: defaultService(services) as string });

/** The stacks that requests go through, by name. */
const passed = (file: Deployment, live: Deployment) =>
  Object.fromEntries(
    makeStacks(file, runningIn(live), rulesOf(live))
      .filter(({ role, service }) => role === "routes" || (service !== undefined && Object.hasOwn(live.services, service)))
      .map(({ name, body, tags }) => [name, { body: JSON.parse(body), tags }]),
  );

const web = (change: object) => (input: AppInput) => ({ ...input, services: { ...input.services, web: { ...input.services.web, ...change } } });

const EDITS: [what: string, edit: (input: AppInput) => object][] = [
  ["other routes", (input) => ({ ...input, routes: [{ path: "/elsewhere", deny: true }] })],
  ["no routes", (input) => ({ ...input, routes: [] })],
  ["another port", web({ port: 3999 })],
  ["another health check", web({ health: { path: "/alive", status: "204", unhealthyAfter: 9 } })],
  ["another drain", web({ drain: { timeout: "7s" } })],
  ["another stop", web({ stop: { timeout: "7s" } })],
  ["no secrets", web({ secrets: [] })],
  ["another command", web({ command: "exec other", environment: { OTHER: "1" } })],
  [
    "another name of its service",
    ({ services: { web: renamed, ...services }, ...input }) => ({
      ...input,
      services: { ...services, site: renamed },
      routes: [...(input.routes ?? []), { service: "site" }],
    }),
  ],
  [
    "no service but another one",
    (input) => ({ ...input, routes: [], services: { other: { command: "exec other", port: 4000, health: { path: "/x" } } } }),
  ],
];

const ofItsKind = (input: AppInput, edited: object) => (input === CONTAINERS ? { ...edited, routes: [] } : edited);

for (const input of [SMALL, FULL, CONTAINERS])
  it.each(EDITS)(`of ${input.name} a file with %s changes nothing that requests go through`, (_, edit) => {
    const live = production(input);
    expect(passed(production(ofItsKind(input, edit(input))), live)).toEqual(passed(live, live));
  });

it("numbers and machines are as configured", () => {
  const live = production(SMALL);
  const file = production(web({ instances: 5, machine: { types: ["t4g.large"] } })(SMALL));
  const text = JSON.stringify(passed(file, live));
  expect(text).toContain('"MinSize":"5"');
  expect(text).toContain('"InstanceType":"t4g.large"');
});

it("of a service that nobody serves yet the file decides, and no rule leads to it", () => {
  const live = production(SMALL);
  const file = production({
    ...SMALL,
    services: { ...SMALL.services, later: { command: "exec later", port: 4000 } },
    routes: [{ path: "/l", service: "later" }],
  });
  const stacks = makeStacks(file, runningIn(live), rulesOf(live));
  expect(stacks.find(({ service }) => service === "later")?.body).toContain('"Port":8080');
  expect(stacks.find(({ role }) => role === "routes")?.body).not.toContain("Later");
});

it("before the first release the file's rules are drawn, and lead to nobody", () => {
  const file = production({ ...SMALL, routes: [{ path: "/closed", deny: true }] });
  const { Resources } = JSON.parse(makeStacks(file).find(({ role }) => role === "routes")?.body as string);
  expect(Object.values<{ Properties: { Actions: object[] } }>(Resources).map(({ Properties }) => Properties.Actions[0])).toMatchObject([
    { FixedResponseConfig: { StatusCode: "404" } },
    { FixedResponseConfig: { StatusCode: "503" } },
  ]);
});
