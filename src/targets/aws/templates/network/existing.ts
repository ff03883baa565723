// A network that is there already: nothing of it is in a template but its ids.
import type { Environment } from "../../../../config/schema.ts";
import { wholeRange } from "./subnets.ts";

type Network = Environment["network"];

export interface ExistingNetwork {
  vpc: string;
  public: string[];
  /** The public ones, where there are no others. */
  instances: string[];
}

/** Undefined where the environment gets one of its own. */
export const existingNetwork = ({ vpc, subnets }: Network): ExistingNetwork | undefined =>
  vpc === undefined || subnets === undefined ? undefined : { vpc, public: subnets.public, instances: subnets.private ?? subnets.public };

/** Whether instances have public addresses, because there is no other way out. */
export const havePublicAddresses = ({ vpc, subnets, nat }: Network): boolean => (vpc === undefined ? nat === "none" : subnets?.private === undefined);

/** What is reached from the balancer. The range of somebody else's network may grow. */
export const rangeOf = ({ vpc, cidr }: Network): string => (vpc === undefined ? wholeRange(cidr) : "0.0.0.0/0");
