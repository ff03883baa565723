import type { TakeOutput } from "../../resources/index.ts";
import type { Site, StackBuilder } from "../shared/stack-builder.ts";

/** The stacks that a service is built beside. */
export interface Neighbours {
  shared: StackBuilder<"shared">;
  network: StackBuilder<"network">;
  alarms: StackBuilder<"alarms">;
  data: StackBuilder<"data"> | undefined;
  edge: StackBuilder<"edge"> | undefined;
}

/** Where a service is added: its own stack, and what it needs of those before it. */
export interface ServicePlace extends Neighbours {
  builder: StackBuilder<"service">;
  site: Site;
  service: string;
}

/** Takes outputs of the stack of data, which stands where the environment has resources of its own. */
export const takeData =
  ({ builder, data }: ServicePlace): TakeOutput =>
  (...output) => {
    if (!data) throw new TypeError(`${builder.name} takes "${output.join(" ")}", and there is no stack of data`);
    return builder.parameter(data, ...output);
  };

/** The edge, which stands where a service takes requests. */
export function edgeOf({ builder, edge }: ServicePlace): StackBuilder<"edge"> {
  if (!edge) throw new TypeError(`${builder.name} takes requests, and there is no edge`);
  return edge;
}

/** Taken by what rings alone: a worker without instances has nothing that could. */
export const topicOf = ({ builder, alarms }: ServicePlace): string => builder.parameter(alarms, "Topic");

/** The service as messages name it. */
export const labelOf = ({ site, service }: ServicePlace): string => `${site.app}, ${site.environment}: service ${service}`;
