// Every public name of the library: what a configuration and a program that uses Landfall need, and what reports consist of.
export { check, listEnvironments, type OpenOptions, openEnvironment, type RehearseOptions, rehearse } from "./app.ts";
export { describeBoot, startAtBoot, stopAtBoot } from "./boot.ts";
export { defineApp } from "./config/deployment.ts";
export { type InitReport, writeConfig } from "./config/init.ts";
export { findConfig, loadConfig } from "./config/load.ts";
export type { App, AppInput } from "./config/schema.ts";
export { ERROR_CODES, type ErrorCode, LandfallError } from "./error.ts";
export { type LaunchReport, launch } from "./launch.ts";
export {
  type BudgetVerdict,
  type Cost,
  type CostLine,
  type Estimate,
  judgeBudget,
  priceOf,
  type Range,
  type Sum,
  sumOf,
  type UseLine,
} from "./plan/cost.ts";
export type { Difference } from "./plan/differences.ts";
export type { Change, ChangeAction, Drift, DriftedResource, Plan, ReleasePlan } from "./plan/plan.ts";
export type { Emit, Progress } from "./progress.ts";
export type * from "./reports.ts";
export type { CommissionOptions, DeployOptions, EnvironmentTarget, ExecOptions, PlanOptions } from "./targets/target.ts";
