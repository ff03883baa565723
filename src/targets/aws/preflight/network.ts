// Whether the network that is there already can carry the environment.
import { findUnfit } from "../existing-network.ts";
import type { Answer, Preflight } from "./question.ts";

export async function askNetwork({ context }: Preflight): Promise<Answer> {
  const { vpc } = context.deployment.settings.network;
  if (vpc === undefined) return { asked: "nothing: it gets a network of its own", findings: [], unasked: [] };
  return { asked: `the names, routes, zones and free addresses of network ${vpc}`, findings: await findUnfit(context), unasked: [] };
}
