// Builds dist once before all tests, because some of them run the built command line as a child.
// Type errors do not stop the tests here: `npm test` has refused them before, and one test may be run while another file is half written.
import { buildIfOlder } from "../scripts/install.mjs";
import { ensurePrograms } from "./programs.ts";

export default function setup(): void {
  ensurePrograms();
  buildIfOlder({ strict: false });
}
