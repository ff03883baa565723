// The permissions of one environment, from its configuration alone. With every service's fleet, because those bring types of their own.
import type { EnvironmentApp } from "../../../config/app.ts";
import type { PermissionsReport } from "../../../reports.ts";
import { withFleets } from "../prices/cost.ts";
import { makeStacks } from "../stacks/index.ts";
import { permissionsOf } from "./policy.ts";

export const listPermissions = (app: EnvironmentApp): PermissionsReport => permissionsOf(app, makeStacks(app, withFleets(app, {})));
