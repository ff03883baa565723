// Rules that concern several keys at once. Each rule reads the app and says what contradicts.
import type { App } from "../schema.ts";
import { checkAws } from "./aws.ts";
import { checkContainers } from "./containers.ts";
import { checkEnvironments } from "./environments.ts";
import { checkRollout } from "./rollout.ts";
import { checkRoutes } from "./routes.ts";
import { checkScaling } from "./scaling.ts";
import { checkServices } from "./services.ts";
import { checkVariables } from "./variables.ts";
import type { RuleViolation } from "./violation.ts";

/** Everything that contradicts. `input` is the app as it was written: it tells a default from the same value written out. */
export const findViolations = (app: App, input: unknown): RuleViolation[] => [
  ...checkServices(app, input),
  ...checkVariables(app),
  ...checkScaling(app, input),
  ...checkRoutes(app, input),
  ...checkRollout(app, input),
  ...checkEnvironments(app, input),
  ...checkAws(app, input),
  ...checkContainers(app, input),
];
