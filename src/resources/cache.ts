// A cache that speaks Redis's protocol, wherever it is.
import { z } from "zod";
import { key, size } from "../text/key.ts";
import { kind, resourceType, urlKey } from "./resource-type.ts";

export const cache = resourceType({
  keys: z.strictObject({
    type: kind("cache"),
    url: urlKey,
    memory: key(size("1MB", "1024GiB").prefault("64MB"), {
      about:
        "The most it may hold; the least recently used goes first. On this machine it is valkey-server or redis-server, which has to be installed.",
    }),
    machine: key(
      z
        .string()
        .regex(/^cache\.[a-z0-9-]+\.[a-z0-9-]+$/, { error: 'an ElastiCache node type such as "cache.t4g.micro"' })
        .optional(),
      { about: "AWS: the node type; the smallest that holds `memory` when left out." },
    ),
    multiZone: key(z.boolean().default(false), { about: "AWS: keep a replica in a second zone, which takes over by itself. Doubles the price." }),
  }),
  changeable: ["url", "machine", "memory", "multiZone"],
  variable: "URL",
  moreVariables: () => [],
  ports: { "redis:": 6379, "rediss:": 6379 },
  isDatabase: false,
  inNetwork: true,
  limitsOnAws: ({ machine }) =>
    machine === undefined || machine.startsWith("cache.") ? [] : [["machine", `"${machine}"`, 'a node type begins with "cache."']],
});
