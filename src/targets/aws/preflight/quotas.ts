// Whether the account may run as many vCPUs as the fleets have at their most, while a release comes.
import { askQuota, countVcpus, describeNeed, describeRaise, MARKETS } from "../prices/vcpus.ts";
import type { Answer, Preflight } from "./question.ts";

export async function askQuotas({ context, place, complete }: Preflight): Promise<Answer> {
  const { app, environment, resources } = context.deployment;
  const needs = countVcpus(context.deployment, complete, { app, environment, resources: Object.keys(resources) });
  const markets = MARKETS.filter((market) => needs[market].most > 0);
  const answers = await Promise.all(
    markets.map(async (market): Promise<Omit<Answer, "asked">> => {
      const limit = await askQuota(context.clients, market);
      const need = describeNeed(market, needs[market]);
      if (limit === undefined) return { findings: [], unasked: [`the account does not say how much of it may run: ${need}`] };
      if (needs[market].most <= limit) return { findings: [], unasked: [] };
      return {
        findings: [{ what: `${need}, and the account may run ${limit}`, next: describeRaise(market, needs[market], place.region) }],
        unasked: [],
      };
    }),
  );
  return {
    asked: markets.map((market) => describeNeed(market, needs[market])).join("; ") || "no machines",
    findings: answers.flatMap(({ findings }) => findings),
    unasked: answers.flatMap(({ unasked }) => unasked),
  };
}
