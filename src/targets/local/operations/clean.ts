// Removes what an interrupted past has left.
import { removeStaleCached } from "../../../config/cache.ts";
import type { CleanReport } from "../../../reports.ts";
import type { Context } from "../context.ts";
import { openSecrets } from "../data/secret-store.ts";
import { removeLogsOfReleases } from "../log-writer/read-logs.ts";
import { listImages } from "../releases/images.ts";
import { listReleases } from "../releases/release-store.ts";
import { removeUnused } from "../releases/shared.ts";

/** Releases and images that no environment could go back to, and what is remembered of configurations that are gone. */
export async function clean(context: Context): Promise<CleanReport> {
  const { paths } = context;
  const releasesBefore = listReleases(paths).map((release) => release.id);
  const imagesBefore = listImages(paths);
  await removeUnused(context, 0);
  const remaining = new Set([...listReleases(paths).map((release) => release.id), ...listImages(paths)]);
  const removed = [...releasesBefore.map((id) => ["release", id]), ...imagesBefore.map((hash) => ["image", hash])]
    .filter(([, id]) => !remaining.has(id ?? ""))
    .map(([kind, id]) => `${kind} ${id}`);
  removeLogsOfReleases(paths, { except: [...remaining] });
  openSecrets(paths).unseal({ except: remaining });
  return { removed: [...removed, ...removeStaleCached().map((path) => `cache of ${path}`)] };
}
