// What is done on a machine of its own before others run: making the image, building the release, the release phase. The machines get the
// user data that they would get on AWS.
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { EnvironmentApp } from "../config/app.ts";
import { LandfallError } from "../error.ts";
import { bakeScript, type Errand, type ErrandResult, errandScript, imageHash, type ReleaseArtifact } from "../machine/index.ts";
import { during, type Emit } from "../progress.ts";
import { recipeFiles } from "../release/recipe.ts";
import { packSource } from "../release/release.ts";
import type { Source, SourceFile } from "../release/source.ts";
import { secretPath } from "../targets/aws/stacks/names.ts";
import { resourcesText } from "../targets/aws/stacks/settings.ts";
import { REGION } from "./endpoints.ts";
import type { Ground } from "./ground.ts";
import type { Resources } from "./resources.ts";
import { waitForLock } from "./tree.ts";

const MINUTES_MAX = 30;
const OUTPUT_LOOK_MS = 1_000;

/** What errands need, and instances after them. */
export interface Workplace {
  app: EnvironmentApp;
  ground: Ground;
  resources: Resources;
  /** Keeps images. */
  images: string;
  emit: Emit;
  signal?: AbortSignal;
}

export interface Image {
  hash: string;
  /** The layer above the tree. */
  folder: string;
  made: boolean;
}

/**
 * The image of the recipe, made by the bake script on a machine that begins as the bare tree. Kept, whole or not at all.
 * Throws RECIPE_STEP_FAILED and RECIPE_FILE_MISSING.
 */
export async function ensureImage(place: Workplace, source: Source): Promise<Image> {
  const hash = await imageHash(place.app.app, source);
  const folder = join(place.images, hash);
  mkdirSync(place.images, { recursive: true, mode: 0o711 });
  const lock = existsSync(folder) ? undefined : await waitForLock(`${folder}.lock`);
  try {
    if (lock && !existsSync(folder)) {
      await during(place.emit, "image", `making image ${hash}`, () => bake(place, { source, hash, folder }));
      return { hash, folder, made: true };
    }
    place.emit({ type: "unchanged", step: "image", text: `image ${hash} is there already` });
    return { hash, folder, made: false };
  } finally {
    lock?.release({ removeFile: true });
  }
}

async function bake(place: Workplace, { source, hash, folder }: { source: Source; hash: string; folder: string }): Promise<string> {
  const { app } = place.app;
  const script: SourceFile = { path: "bake.sh", mode: 0o755, content: () => Buffer.from(bakeScript(app)) };
  const files = recipeFiles(app.recipe, source).map((file) => ({ ...file, path: `files/${file.path}` }));
  const archive = await upload(place, `recipes/${hash}`, { ...source, files: [script, ...files] });
  const errand = { ...factsOf(place, `bake-${hash}`), kind: "bake" as const, archive };
  await runErrand(place, { errand, layers: [], step: "image", keep: folder });
  return `image ${hash} made`;
}

/** The release as instances fetch it: with what its build steps made. Throws BUILD_STEP_FAILED. */
export async function makeArtifact(place: Workplace, image: Image, { id, source }: { id: string; source: Source }): Promise<ReleaseArtifact> {
  const { build } = place.app.app.release;
  if (build.length === 0) return { id, ...(await upload(place, `releases/${id}`, source)) };
  const archive = await upload(place, `sources/${id}`, source);
  let sha256 = "";
  await during(place.emit, "release", `building release ${id}`, async () => {
    const errand = { ...factsOf(place, `build-${id}`), kind: "build" as const, archive, release: id, steps: build };
    sha256 = (await runErrand(place, { errand, layers: [image.folder], step: "release" })).sha256 as string;
    return `release ${id} built`;
  });
  return { id, key: `releases/${id}/${sha256}.tar.gz`, sha256 };
}

/** Runs `expand` once. Throws MIGRATION_FAILED. */
export async function runPhase(place: Workplace, image: Image, release: ReleaseArtifact): Promise<void> {
  const { expand, timeout } = place.app.app.release;
  if (expand === undefined) return;
  const { app, name } = place.app;
  await during(place.emit, "expand", `running "${expand}"`, async () => {
    const errand: Errand = {
      ...factsOf(place, `phase-${release.id}`),
      kind: "phase",
      release,
      command: expand,
      timeoutMs: timeout,
      secrets: [...new Set(Object.values(app.services).flatMap(({ secrets }) => secrets))],
      settings: {
        app: app.name,
        environment: name,
        secretsPath: secretPath(app.name, name, ""),
        resources: resourcesText(place.app, (output) => place.resources.look(output)),
      },
    };
    await runErrand(place, { errand, layers: [image.folder], step: "expand" });
    return `"${expand}" has run`;
  });
}

const factsOf = ({ resources }: Workplace, id: string) => ({
  id: `${id}-${randomUUID().slice(0, 8)}`,
  bucket: resources.artifacts.name,
  region: REGION,
  minutesMax: MINUTES_MAX,
});

async function upload({ resources }: Workplace, folder: string, source: Source): Promise<{ key: string; sha256: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of packSource(source)) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const key = `${folder}/${sha256}.tar.gz`;
  await resources.artifacts.put(key, bytes);
  return { key, sha256 };
}

interface ErrandInput {
  errand: Errand;
  layers: string[];
  step: string;
  /** Where what the machine wrote is put when it went well. */
  keep?: string;
}

async function runErrand(place: Workplace, { errand, layers, step, keep }: ErrandInput): Promise<ErrandResult> {
  const { ground, resources, signal } = place;
  const machine = ground.boot({ role: errand.kind, userData: errandScript(errand), layers });
  const look = watchOutput(place, errand.id, step);
  const stop = () => void machine.kill();
  signal?.addEventListener("abort", stop);
  let result: ErrandResult | undefined;
  try {
    await machine.off;
    signal?.throwIfAborted();
    await look.end();
    result = JSON.parse((await resources.artifacts.get(`reports/${errand.id}/result.json`))?.toString() ?? "null") as ErrandResult | undefined;
    if (!result?.ok) throw errandFailed(place, errand, result, machine.output());
    return result;
  } finally {
    signal?.removeEventListener("abort", stop);
    await look.end();
    await machine.remove({ keepWritten: result?.ok === true && keep !== undefined });
    if (keep !== undefined && result?.ok) {
      await promisify(execFile)("sync", ["--file-system", machine.written]);
      renameSync(machine.written, keep);
    }
    rmSync(join(machine.written, ".."), { recursive: true, force: true });
  }
}

/** Passes on what the errand prints, as it grows in the bucket. */
function watchOutput({ resources, emit }: Workplace, id: string, step: string) {
  let shown = 0;
  const show = async () => {
    const output = (await resources.artifacts.get(`reports/${id}/output.txt`))?.toString() ?? "";
    const end = output.lastIndexOf("\n") + 1;
    for (const line of output.slice(shown, Math.max(shown, end)).split("\n")) if (line) emit({ type: "output", step, line });
    shown = Math.max(shown, end);
  };
  let last = Promise.resolve();
  const timer = setInterval(() => {
    last = last.then(show).catch(() => {});
  }, OUTPUT_LOOK_MS);
  return {
    async end() {
      clearInterval(timer);
      await last;
      await show().catch(() => {});
    },
  };
}

const CODES = { bake: "RECIPE_STEP_FAILED", build: "BUILD_STEP_FAILED", phase: "MIGRATION_FAILED" } as const;
const LINES_SHOWN = 15;

function errandFailed({ app }: Workplace, { kind }: Errand, result: ErrandResult | undefined, said: string): LandfallError {
  const tail = (result?.tail ?? said.split(/\r?\n/).filter(Boolean)).slice(-LINES_SHOWN);
  return new LandfallError({
    code: CODES[kind],
    what: result
      ? `step "${result.step}" ended with status ${result.code} on the rehearsal's machine`
      : `the machine of errand "${kind}" ended without a report`,
    where: `rehearsal of environment "${app.name}"`,
    evidence: tail.map((line, index): [string, string] => [index === 0 ? "last output" : "", line]),
    standing: "Nothing of the rehearsal is left, and nothing else was changed.",
  });
}
