// Programs that run as processes of their own are tested as built code, which global-setup.ts builds before all tests.
import { fileURLToPath } from "node:url";

/** The path of a built file, such as `targets/local/supervisor/main.js`. */
export const builtMain = (path: string): string => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));
