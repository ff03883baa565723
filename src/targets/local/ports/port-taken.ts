// One refusal for every port of ours that somebody else has, with the name of who has it.
import { type ErrorParts, LandfallError } from "../../../error.ts";
import { loadArguments, loadVariables } from "../../../system/processes.ts";
import { findNearestHolder } from "./listeners.ts";

/** What the kernel said: that it is taken, or not for everybody. */
export interface PortRefusal {
  code?: string;
  message: string;
}

export interface OwnPort {
  port: number;
  /** Whose port it should be: `the balancer`. */
  owner: string;
}

export function portTaken({ port, owner }: OwnPort, refusal: PortRefusal, { standing, next }: Pick<ErrorParts, "standing" | "next">): LandfallError {
  const common = { code: "PORT_TAKEN", where: `127.0.0.1:${port}`, standing } as const;
  if (refusal.code !== "EADDRINUSE") {
    const what = `port ${port} of ${owner} cannot be listened on`;
    return new LandfallError({ ...common, what, why: refusal.message, next: "set another port under environments" });
  }
  const holder = findNearestHolder(port);
  const ours = holder && findEnvironment(holder.pid);
  return new LandfallError({
    ...common,
    what: `port ${port} of ${owner} is in use by another process`,
    why: holder ? `${ours ?? `"${holder.command}"`}, pid ${holder.pid}, listens there.` : refusal.message,
    next:
      next ??
      (ours
        ? "landfall list   shows where it belongs; set another port here, or decommission it there"
        : holder
          ? `stop process ${holder.pid}`
          : `find the process with  lsof -iTCP:${port} -sTCP:LISTEN  and stop it`),
  });
}

/** Whose process it is, when it is one of Landfall's: its run says so, or what it was called with. */
function findEnvironment(pid: number): string | undefined {
  const texts = [...loadVariables(pid).filter((variable) => variable.startsWith("LANDFALL_RUN=")), ...loadArguments(pid)];
  const [, app, environment] = texts.flatMap((text) => /\/apps\/([^/]+)\/environments\/([^/]+)/.exec(text) ?? []);
  return app && environment && `environment "${environment}" of app "${app}"`;
}
