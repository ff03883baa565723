// What `landfall check` says of an environment on AWS.
import { expect, test } from "vitest";
import { awsNotes } from "../../../src/targets/aws/notes.ts";
import { FULL, production, SMALL } from "./stacks/apps.ts";

test("an environment without alerts and without a domain", () => {
  expect(awsNotes(production(SMALL))).toEqual([
    'nobody will hear the alarms of environment "production": "alerts" is empty',
    'environment "production" answers to plain HTTP: a certificate needs the key "domain"',
  ]);
});

test("routes that a load balancer of AWS cannot do", () => {
  expect(awsNotes(production(FULL))).toEqual([
    'route 2 redirects with 308: in environment "production" a proxy on each instance does it, because a load balancer of AWS cannot',
    'route 4 asks for a password: in environment "production" a proxy on each instance does it, because a load balancer of AWS cannot',
    'route 6 sets headers: in environment "production" a proxy on each instance does it, because a load balancer of AWS cannot',
  ]);
});

test("a worker alone needs no domain", () => {
  const app = {
    name: "a",
    services: { worker: { command: "x" } },
    environments: { production: { target: "aws", alerts: ["mailto:a@example.com"] } },
  };
  expect(awsNotes(production(app))).toEqual([]);
});
