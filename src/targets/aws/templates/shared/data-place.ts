import type { Site, StackBuilder } from "./stack-builder.ts";

/** Where resources are added: the stack of data, and what it needs of those before it. */
export interface DataPlace {
  builder: StackBuilder<"data">;
  site: Site;
  network: StackBuilder<"network">;
  alarms: StackBuilder<"alarms">;
  /** The id of the group that may ask databases and caches; made by whoever asks first. */
  clients: () => string;
}
