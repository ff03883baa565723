import { fileURLToPath } from "node:url";

/**
 * The path of a built program of ours, given where it is beside the caller. Programs are started from dist, also when the caller runs
 * from source, in tests.
 */
export const builtProgram = (program: URL): string =>
  import.meta.url.endsWith(".ts") ? fileURLToPath(program).replace(/\/src\/(?!.*\/src\/)/, "/dist/") : fileURLToPath(program);
