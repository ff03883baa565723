// Rules for routes: the services that they name, and requests that no route takes.

import { suggest } from "../../text/suggest.ts";
import { listWords, type Path, valueAt } from "../describe-schema.ts";
import type { App } from "../schema.ts";
import { type Finding, type RuleViolation, reading } from "./violation.ts";

const webNames = (app: App) => Object.keys(app.services).filter((name) => app.services[name]?.port !== undefined);

export const checkRoutes = (app: App, input: unknown): RuleViolation[] => [...checkEach(app, input), ...unclearWeb(app, input)];

/** Of all services, also of those in which something did not parse. */
const namesIn = (input: unknown): string[] => Object.keys(Object(valueAt(input, ["services"])));

function checkEach(app: App, input: unknown): RuleViolation[] {
  return app.routes.flatMap((route, index) => {
    const path: Path = ["routes", index];
    const decisions = [route.deny && "deny", route.redirect && "redirect", route.service !== undefined && "service"].filter(
      (key) => typeof key === "string",
    );
    const decided = decisions.length < 2 ? [] : [twoDecisions(index, decisions)];
    const named = route.service === undefined ? [] : unknownWeb({ index, service: route.service, app }, namesIn(input));
    return [...reading([path], decided), ...reading([path, ["services", route.service ?? ""]], named)];
  });
}

const twoDecisions = (index: number, keys: string[]): Finding => ({
  path: ["routes", index, ...keys.slice(1, 2)],
  what: `route ${index + 1} decides ${keys.length === 2 ? "two things" : "three things"}: ${listWords(
    keys.map((key) => `"${key}"`),
    "and",
  )}`,
  why: "A request is denied, redirected or sent to a service; a route that matches does one of them.",
  next: "keep one of them, and make a second route for the other",
});

/** A route that sends requests to a service. */
interface SendingRoute {
  app: App;
  index: number;
  service: string;
}

function unknownWeb({ app, index, service }: SendingRoute, names: string[]): Finding[] {
  const place = { path: ["routes", index, "service"], aim: "value" } as const;
  if (!names.includes(service)) {
    const meant = suggest(service, names);
    return [
      {
        ...place,
        what: `route ${index + 1} names service "${service}", which is not there`,
        why: `The services are ${listWords(
          names.map((name) => `"${name}"`),
          "and",
        )}.`,
        hint: meant && `did you mean "${meant}"?`,
        next: "name one of the services that have a port",
      },
    ];
  }
  if (app.services[service]?.port !== undefined) return [];
  return [
    {
      ...place,
      what: `route ${index + 1} sends requests to service "${service}", which has no port`,
      why: "Requests reach only services with a port.",
      next: `add "port" to service "${service}", or name another one`,
    },
  ];
}

/** "web" gets what no route sends elsewhere, and so does a web service that is the only one. Otherwise the routes must say. */
function unclearWeb(app: App, input: unknown): RuleViolation[] {
  const web = webNames(app);
  if (web.length < 2 || web.includes("web")) return [];
  const routed = new Set(app.routes.map(({ service }) => service));
  const silent = web.find((name) => !routed.has(name));
  if (silent === undefined) return [];
  return [
    {
      path: ["services", silent],
      what: `no route sends requests to service "${silent}", and none of the ${web.length} web services is called "web"`,
      why: `Requests that no route decides go to "web". With ${listWords(
        web.map((name) => `"${name}"`),
        "and",
      )} it is not said which one gets them.`,
      next: `call one of them "web", or add a route such as  { path: "/*", service: "${silent}" }`,
      reads: [["routes"], ...namesIn(input).map((name): Path => ["services", name, "port"])],
    },
  ];
}
