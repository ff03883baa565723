// The secrets that a release is given when it is deployed. It keeps their values of then, so that neither a crash nor a rollback brings it others.
import type { Release } from "../../../release/release.ts";
import { secretsUsed } from "../../preconditions.ts";
import { isOfUsers } from "../data/secret-store.ts";
import type { EnvironmentRecord } from "../record.ts";

/** Its services' own, those that hold the URL of a resource, and the passwords of its routes. */
export const secretsGiven = ({ variables }: EnvironmentRecord, { services, routes }: Release): string[] => [
  ...new Set([
    ...secretsUsed({ services, routes, resources: {} }).map(({ secret }) => secret),
    ...Object.values(variables.secretEnv).filter(isOfUsers),
  ]),
];
