// The permissions of one environment, from its configuration alone. With every service's fleet, because those bring types of their own.
import type { Deployment } from "../../../config/deployment.ts";
import type { PermissionsReport } from "../../../reports.ts";
import { withFleets } from "../prices/cost.ts";
import { makeStacks } from "../templates/index.ts";
import { permissionsOf } from "./policy.ts";

export const listPermissions = (deployment: Deployment): PermissionsReport =>
  permissionsOf(deployment, makeStacks(deployment, withFleets(deployment, {})));
