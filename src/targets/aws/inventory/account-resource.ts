// Resources of an environment that the account holds beside its stacks: left by them, or listed in no template.
import type { Owner, ResourceKind, ResourceState, Tags } from "../resource-types/entry/resource-type.ts";

export interface AccountResource extends ResourceState {
  kind: ResourceKind;
  id: string;
  owner: Owner;
  tags: Tags;
}

export const describeResource = ({ kind, id, detail }: AccountResource): string => `${kind.name} ${id}${detail ? ` (${detail})` : ""}`;
