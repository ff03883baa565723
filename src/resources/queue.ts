// A queue that speaks SQS's protocol, wherever it is.
import { z } from "zod";
import { duration, key } from "../text/key.ts";
import { kind, resourceType, urlKey } from "./resource-type.ts";

export const queue = resourceType({
  keys: z.strictObject({
    type: kind("queue"),
    url: urlKey,
    visibilityTimeout: key(duration("0s", "12h").prefault("30s"), { about: "A message that is not deleted by then is delivered again." }),
    maxReceiveCount: key(z.int().min(1).max(1000).default(5), { about: "Deliveries until a message goes to the dead letters." }),
  }),
  changeable: ["url"],
  variable: "QUEUE_URL",
  moreVariables: () => ["DEAD_LETTER_URL"],
  ports: { "http:": 80, "https:": 443 },
  isDatabase: false,
  inNetwork: false,
  limitsOnAws: () => [],
});
