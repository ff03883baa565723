// Every kind of resource that an environment can leave in an account, in the order in which they can be removed.
import type { Kind } from "../thing.ts";
import { CONTAINERS } from "./containers.ts";
import { DATA } from "./data.ts";
import { EDGE } from "./edge.ts";
import { KEYS } from "./keys.ts";
import { MACHINES, NETWORKS } from "./machines.ts";
import { WATCH } from "./watch.ts";

export const KINDS: readonly Kind[] = [...MACHINES, ...CONTAINERS, ...EDGE, ...DATA, ...WATCH, ...KEYS, ...NETWORKS];
