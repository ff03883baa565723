// Finds and describes types of EC2: all by one list of tags, and by a filter of ids.
import type { EC2 } from "@aws-sdk/client-ec2";
import { taggedPermissions } from "./cloudformation-permissions.ts";
import { inLots } from "./lookup.ts";
import type { Discovery, Inventory, ResourceStates } from "./resource-type.ts";

export const ec2Of = ({ context }: Discovery): Promise<EC2> => context.clients.ec2();

/** What EC2 tags is tagged by the same two calls. */
export const ec2Permissions = taggedPermissions("ec2", { tag: "CreateTags", untag: "DeleteTags" });

/** Values in the filters of one call: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (FilterLimitExceeded). */
export const FILTER_VALUES_MAX = 200;

/** `filter` is the one that takes ids. */
export function ec2Inventory<Facts extends Pick<Inventory, "removal" | "ec2"> & { filter: string }>(
  { filter, ...facts }: Facts,
  describe: (ec2: EC2, input: { Filters: { Name: string; Values: string[] }[] }) => Promise<ResourceStates>,
  remove: (ec2: EC2, id: string) => Promise<unknown>,
): Omit<Facts, "filter"> & Pick<Inventory, "look" | "remove"> {
  return {
    ...facts,
    look: async (discovery, ids) => {
      const ec2 = await ec2Of(discovery);
      return inLots(ids, FILTER_VALUES_MAX, (Values) => describe(ec2, { Filters: [{ Name: filter, Values }] }));
    },
    remove: async (discovery, id) => remove(await ec2Of(discovery), id),
  };
}
