import { expect, it } from "vitest";
import type { Context } from "../../../src/targets/aws/context.ts";
import { openSecrets } from "../../../src/targets/aws/secrets.ts";

/** Systems Manager with a right to say no, and to repeat what it says no to. */
function open(refusals: Error[]) {
  const asked: unknown[] = [];
  const ssm = {
    putParameter: async (parameter: unknown) => {
      asked.push(parameter);
      const refusal = refusals.shift();
      if (refusal) throw refusal;
    },
    deleteParameter: async (parameter: unknown) => asked.push(parameter),
  };
  const sts = { getCallerIdentity: async () => ({ Account: "1", Arn: "arn:aws:iam::1:user/x" }), config: { region: async () => "eu-central-1" } };
  const stack = { StackName: "shop-production-network", StackStatus: "CREATE_COMPLETE", CreationTime: new Date(0), Tags: TAGS };
  const cloudFormation = {
    paginateDescribeStacks: async function* () {
      yield { Stacks: [stack] };
    },
  };
  const clients = { ssm: async () => ssm, sts: async () => sts, cloudFormation: async () => cloudFormation };
  const deployment = {
    app: "shop",
    environment: "production",
    settings: {},
    services: {},
    routes: [],
    resources: { database: { type: "postgres" } },
  };
  return { asked, store: openSecrets({ deployment, clients, emit: () => {} } as unknown as Context) };
}
const TAGS = Object.entries({ "landfall:app": "shop", "landfall:environment": "production" }).map(([Key, Value]) => ({ Key, Value }));
const VALUE = 'canary\'s "value" 1234';
const refusal = (name: string) => Object.assign(new Error(`Value '${VALUE}' at 'value' failed to satisfy constraint`), { name });

it.each([
  ["NUL", "A", "a\0b", 'the value for "A" holds a NUL byte'],
  ["more than a parameter takes", "A", "é".repeat(4097), 'the value for "A" has 8194 bytes'],
  ["a name that no variable has", "a/b", "x", '"a/b" is no name for a secret'],
  ["a name that a resource's variable has", "DATABASE_URL", "x", 'a secret "DATABASE_URL" would reach no service'],
])("refuses %s before anything is asked", async (_, name, value, message) => {
  const { asked, store } = open([]);
  await expect(store.set({ [name]: value })).rejects.toMatchObject({ code: "SECRET_REFUSED", message });
  expect(asked).toEqual([]);
});

it("removes nothing by such a name", async () => {
  const { asked, store } = open([]);
  await expect(store.remove("../x")).rejects.toMatchObject({ code: "SECRET_REFUSED" });
  expect(asked).toEqual([]);
});

it.each([[["ValidationException"]], [["ParameterAlreadyExists", "ValidationException"]]])(
  "does not carry on the value that AWS repeats: %j",
  async (names) => {
    const { store } = open(names.map(refusal));
    const error = (await store.set({ A: VALUE }).catch((thrown) => thrown)) as Error;
    expect(error).toMatchObject({ name: "ValidationException", message: "Value '***' at 'value' failed to satisfy constraint" });
    expect(error.stack).not.toContain("canary");
  },
);

it("takes what fills a parameter", async () => {
  const { asked, store } = open([]);
  expect(await store.set({ A: "a".repeat(8192), B: "b" })).toEqual({
    environment: "production",
    names: ["A", "B"],
    reaches: "when instances start next",
    revokedIn: [],
  });
  expect(asked).toHaveLength(2);
});
