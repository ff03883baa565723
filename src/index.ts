// Every public name of the library.
export { check, type OpenOptions, openEnvironment, type RehearseOptions, rehearse } from "./app.ts";
export { defineApp } from "./config/app.ts";
export { type InitReport, recogniseApp, writeConfig } from "./config/init.ts";
export { findConfig, loadConfig } from "./config/load.ts";
export type { App, AppInput } from "./config/schema.ts";
export { ERROR_CODES, type ErrorCode, LandfallError } from "./error.ts";
export { type LaunchReport, launch } from "./launch.ts";
export * from "./plan/cost.ts";
export { type Difference, wordsOf } from "./plan/differences.ts";
export * from "./plan/plan.ts";
export type { Emit, Progress } from "./progress.ts";
export type * from "./reports.ts";
export { loadText } from "./system/files.ts";
export type { DeployOptions, EnvironmentTarget, PlanOptions } from "./targets/target.ts";
