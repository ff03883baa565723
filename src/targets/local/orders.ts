// What a process that goes on without a command is told of the command's place: the deployment, the folder, and whose instances are to be like.
import { homedir } from "node:os";
import type { Deployment } from "../../config/deployment.ts";
import { loadStateIfWhole, writeState } from "../../system/state-file.ts";
import type { Context } from "./context.ts";

export interface Orders {
  deployment: Deployment;
  /** The app's folder. */
  folder: string;
  /** Instances get these from the process that starts them, so that they are like those that were started by hand. */
  env: Record<string, string>;
}

export function writeOrders(file: string, { deployment, folder }: Pick<Context, "deployment" | "folder">): void {
  const { PATH, LANG } = process.env;
  const env = Object.entries({ PATH, LANG, HOME: homedir() }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  writeState(file, { deployment, folder, env: Object.fromEntries(env) } satisfies Orders);
}

export const loadOrders = (file: string): Orders | undefined => loadStateIfWhole<Orders>(file);
