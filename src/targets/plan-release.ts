// The release part of a plan: what a deploy of the checked-out commit would bring.
import { LandfallError } from "../error.ts";
import type { ReleasePlan } from "../plan/plan.ts";
import type { Release } from "../release/release.ts";
import { loadSource, type Source } from "../release/source.ts";

interface PlannedRelease {
  folder: string;
  serving?: Pick<Release, "id"> & Partial<Release>;
  /** As a deploy would name it. */
  name(load: () => Promise<Source>): Promise<Release>;
  /** Whether an image of that recipe is there. Left out where that would have to be asked for. */
  hasImage?(recipeHash: string): boolean;
}

/** Not being able to say is no failure of the plan. */
export async function planRelease({ folder, serving, name, hasImage }: PlannedRelease): Promise<ReleasePlan> {
  const before = serving && { before: serving.id };
  try {
    const release = await name(() => loadSource({ folder, dirty: false }));
    const note = serving && serving.id !== release.id ? noteOn(serving, release, hasImage) : undefined;
    return { ...before, after: release.id, description: release.description, ...(note ? { note } : {}) };
  } catch (error) {
    if (!(error instanceof LandfallError)) throw error;
    return { ...before, note: error.parts.what };
  }
}

function noteOn(serving: Partial<Release>, release: Release, hasImage: PlannedRelease["hasImage"]): string | undefined {
  if (serving.processes === release.processes) return "only the balancer's rules are other ones: no instance is replaced";
  if (serving.recipeHash === undefined || serving.recipeHash === release.recipeHash || hasImage?.(release.recipeHash)) return undefined;
  return hasImage ? "its image has to be made first" : "its recipe is another one: its image is made first, unless it is there";
}
