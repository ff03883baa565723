// Every name of this folder that the rest of Landfall uses.
export { appIn, defineApp, type EnvironmentApp } from "./app.ts";
export { validateText } from "./check.ts";
export { variablesOf } from "./conflicts.ts";
export { type AppKind, type InitReport, type RecognisedApp, recogniseApp, writeConfig } from "./init.ts";
export { findConfig, loadConfig } from "./load.ts";
export { describeConfiguration, describeErrorCodes } from "./reference.ts";
export type { App, AppInput, Environment, HealthCheck, Recipe, Resource, Rollout, Route, Service } from "./schema.ts";
export { appSchema } from "./schema.ts";
export { suggest } from "./suggest.ts";
export { type Duration, describeDuration, parseDuration, parseSize, type Size } from "./units.ts";
export { type KeyEntry, keysOf } from "./words.ts";
