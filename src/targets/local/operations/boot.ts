// An environment and the machine that it is on: the unit of systemd that starts and stops it with the machine, and what that unit calls.

import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import type { BootReport, RecoveryReport, StopReport } from "../../../reports.ts";
import { findAbandoned } from "../caretaker/abandoned.ts";
import type { Context } from "../context.ts";
import { leased } from "../lease.ts";
import { loadRecord } from "../record.ts";
import { ensureSupervisor, pidFileOf } from "../supervisor/start.ts";
import { abort, resume } from "./recovery.ts";

/** What comes after the longest stop of an instance: the balancer, the resources one after the other, and some patience. */
const STOP_MARGIN_MS = 180_000;

/** @param command the program that the unit calls, and its first arguments */
export function describeBoot(context: Context, command: string[]): BootReport {
  const { deployment, paths, folder } = context;
  loadRecord(context);
  const { app, environment } = deployment;
  const unit = `landfall-${app}-${environment}.service`;
  const call = [...command, "boot", environment].map(quoteWord).join(" ");
  const stopMs = Math.max(0, ...Object.values(deployment.services).map(({ stop }) => stop.timeout)) + STOP_MARGIN_MS;
  const variables = Object.entries({ PATH: process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin", LANDFALL_HOME: paths.home });
  const lines = [
    `# Starts environment "${environment}" of ${app} with this machine, and stops it in order before the machine goes down. To install it:`,
    `#   landfall boot ${environment} | sudo tee /etc/systemd/system/${unit} && sudo systemctl enable --now ${unit}`,
    "[Unit]",
    `Description=Landfall: ${withoutSpecifiers(`${app} ${environment}`)}`,
    "Wants=network-online.target",
    "After=network-online.target",
    `RequiresMountsFor=${[paths.home, folder].map(quoteValue).join(" ")}`,
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    `User=${userInfo().username}`,
    `WorkingDirectory=${withoutSpecifiers(folder)}`,
    ...variables.map(([name, value]) => `Environment=${quoteValue(`${name}=${value}`)}`),
    `ExecStart=${call} --start`,
    `ExecStop=${call} --stop`,
    `TimeoutStopSec=${Math.ceil(stopMs / 1000)}`,
    "# Never a signal to all of them: each is asked to stop as its service says. Nothing is left to be killed but what did not.",
    "KillMode=mixed",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ];
  return { app, environment, unit, text: `${lines.join("\n")}\n` };
}

/** What stood stands again. A deploy that went down with the machine is undone first: nobody watches what it would bring. */
export async function startAtBoot(context: Context): Promise<RecoveryReport> {
  loadRecord(context);
  if (findAbandoned(context.paths)?.does === "undo") await abort(context);
  return resume(context);
}

/** Stops all of it in order, and keeps it. */
export const stopAtBoot = (context: Context): Promise<StopReport> =>
  leased(context, "boot --stop", async () => {
    loadRecord(context);
    const { app, environment } = context.deployment;
    if (!existsSync(pidFileOf(context.paths))) return { app, environment, stopped: [] };
    const supervisor = await ensureSupervisor(context.paths);
    const { processes } = await supervisor.observe();
    await supervisor.shutdown();
    return { app, environment, stopped: processes.flatMap(({ spec, state }) => (state === "running" ? [spec.id] : [])) };
  });

/** A percent sign begins a specifier. */
const withoutSpecifiers = (text: string): string => text.replaceAll("%", "%%");

/** As systemd.syntax(7) has it. */
const quoteValue = (text: string): string => `"${withoutSpecifiers(text).replace(/[\\"]/g, "\\$&")}"`;

/** Of a command line, where a dollar sign begins a variable. */
const quoteWord = (text: string): string => (/^[\w@:/.,+-]+$/.test(text) ? text : quoteValue(text).replaceAll("$", "$$$$"));
