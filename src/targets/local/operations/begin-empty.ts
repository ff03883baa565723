// Data that is gone and is to begin anew, because a person said so. Nothing is removed for it: only what has nothing in its place is forgotten,
// and the rest of commission then makes it as new.
import { LandfallError } from "../../../error.ts";
import { writeWhole } from "../../../system/files.ts";
import type { Context } from "../context.ts";
import { assertDataPresent, describePart, forgetParts, listMissing, loadDataRecord } from "../data/data-record.ts";
import { portFile } from "../ports/resource-port.ts";
import { ensureSupervisor } from "../supervisor/start.ts";

/** Errors: USAGE for data that the environment has not, DATA_MISSING for what is not named or has something in its place. */
export async function beginEmpty(context: Context, names: string[]): Promise<void> {
  const { paths, emit } = context;
  assertKnown(context, names);
  const { parts } = loadDataRecord(paths);
  const missing = listMissing(paths);
  const lost = missing.filter(({ name, isFree }) => isFree && names.includes(name)).map(({ name }) => name);
  const others = missing.map(({ name }) => name).filter((name) => !lost.includes(name));
  assertDataPresent(paths, others);
  const describe = (name: string) => (parts[name] ? describePart(name, parts[name]) : `the data of "${name}"`);
  for (const name of names.filter((name) => !lost.includes(name))) emit({ type: "note", text: `${describe(name)} is there, and stays as it is` });
  if (lost.length === 0) return;
  // A resource whose data begins anew is started anew; without the secrets, all of them, because their passwords are new.
  await stopResources(context, (id) => lost.includes("secrets") || lost.some((name) => parts[name]?.usedBy === id));
  forgetParts(paths, lost);
  for (const name of lost) emit({ type: "note", text: `${describe(name)}: begun anew, empty` });
}

async function stopResources({ paths }: Context, isDue: (id: string) => boolean): Promise<void> {
  const supervisor = await ensureSupervisor(paths);
  const { processes } = await supervisor.observe();
  for (const { spec } of processes.filter((process) => process.spec.kind === "resource" && isDue(process.spec.id))) {
    await supervisor.stop({ id: spec.id });
    // Instances that run know the resource by its port, which may have been lost with the data.
    if (typeof spec.port === "number") writeWhole(portFile(spec.cwd), `${spec.port}\n`);
  }
}

function assertKnown({ deployment, paths }: Context, names: string[]): void {
  const parts = [...new Set([...Object.keys(loadDataRecord(paths).parts), ...Object.keys(deployment.resources)])];
  const unknown = names.find((name) => !parts.includes(name));
  if (unknown === undefined) return;
  throw new LandfallError({
    code: "USAGE",
    what: `environment "${deployment.environment}" has no data "${unknown}" that could begin empty`,
    why: `it has ${parts.map((part) => `"${part}"`).join(", ") || "none"}`,
    standing: "Nothing was started and nothing was made.",
  });
}
