// Container images of a release: made on this machine from the release's files, pushed under the release's id, and known by their digests.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Service } from "../../../config/schema.ts";
import { LandfallError } from "../../../error.ts";
import { dockerfileOf, RELEASE_FOLDER } from "../../../machine/dockerfile.ts";
import { during } from "../../../progress.ts";
import type { Release } from "../../../release/release.ts";
import type { Source } from "../../../release/source.ts";
import type { Context } from "../context.ts";
import { buildImage, type Engine, findEngine, pushImage, type Registry } from "./engine.ts";
import type { Site } from "./site.ts";

/** By service, its image: `…/name@sha256:…`. */
export type ContainerImages = Record<string, string>;

/** Services whose image is one and the same. */
interface Wanted {
  services: string[];
  settings: Service;
  tag: string;
}

const GENERATED = "Dockerfile";

/**
 * An image for each service of the release that runs as containers, made only if the registry does not have it. Errors:
 * CONTAINER_ENGINE_MISSING, CONTAINER_BUILD_FAILED, CONTAINER_PUSH_FAILED, CONTAINER_FILE_MISSING.
 */
export async function ensureContainers(context: Context, site: Site, release: Release, source: Source): Promise<ContainerImages> {
  const wanted = imagesOf(release);
  if (wanted.length === 0) return {};
  const uri = site.look("foundation", "ImagesUri");
  const made: ContainerImages = {};
  let engine: Engine | undefined;
  let registry: Registry | undefined;
  for (const one of wanted) {
    const name = `container image ${one.tag}`;
    let digest = await findDigest(context, uri, one.tag);
    if (digest !== undefined) context.emit({ type: "unchanged", step: name, text: `${name} is in the registry already` });
    else
      await during(context.emit, name, name, async () => {
        engine ??= await findEngine();
        const output = (line: string) => context.emit({ type: "output", step: name, line });
        await build(context, engine, one, source, `${uri}:${one.tag}`, output);
        registry ??= await logIn(context);
        await pushImage(engine, `${uri}:${one.tag}`, registry, output, context.signal);
        digest = await findDigest(context, uri, one.tag);
        return `${name} made by ${engine.program} and pushed: ${digest}`;
      });
    if (digest === undefined) throw imageGone(`${uri}:${one.tag}`, release.id);
    for (const service of one.services) made[service] = `${uri}@${digest}`;
  }
  return made;
}

/** Errors: RELEASE_UNKNOWN when the registry has dropped an image of a release that is to come back. */
export async function requireContainers(context: Context, images: ContainerImages, release: string): Promise<void> {
  for (const image of new Set(Object.values(images))) {
    const [uri = "", digest = ""] = image.split("@");
    if (!(await hasImage(context, uri, { imageDigest: digest }))) throw imageGone(image, release);
  }
}

/** The first has the release's id as its tag, further ones a number behind it. */
export function imagesOf({ id, services }: Pick<Release, "id" | "services">): Wanted[] {
  const wanted = new Map<string, Wanted>();
  for (const [service, settings] of Object.entries(services)) {
    const { container, stop } = settings;
    if (!container) continue;
    const key = JSON.stringify([container.dockerfile ?? stop.signal, container.dockerfile === undefined, container.architecture]);
    const known = wanted.get(key);
    if (known) known.services.push(service);
    else wanted.set(key, { services: [service], settings, tag: wanted.size === 0 ? id : `${id}-${wanted.size + 1}` });
  }
  return [...wanted.values()];
}

const repositoryOf = (uri: string) => uri.slice(uri.indexOf("/") + 1);

async function findDigest(context: Context, uri: string, imageTag: string): Promise<string | undefined> {
  return (await hasImage(context, uri, { imageTag }))?.imageDigest;
}

async function hasImage({ clients }: Context, uri: string, id: { imageTag?: string; imageDigest?: string }) {
  try {
    const { imageDetails = [] } = await (await clients.ecr()).describeImages({ repositoryName: repositoryOf(uri), imageIds: [id] });
    return imageDetails[0];
  } catch (error) {
    if (error instanceof Error && error.name === "ImageNotFoundException") return undefined;
    throw error;
  }
}

async function logIn({ clients }: Context): Promise<Registry> {
  const { authorizationData = [] } = await (await clients.ecr()).getAuthorizationToken({});
  const { authorizationToken = "", proxyEndpoint = "" } = authorizationData[0] ?? {};
  const [user = "", password = ""] = Buffer.from(authorizationToken, "base64").toString("utf8").split(":");
  return { user, password, host: proxyEndpoint.replace(/^https?:\/\//, "") };
}

async function build(context: Context, engine: Engine, { settings }: Wanted, source: Source, image: string, emit: (line: string) => void) {
  const container = settings.container as NonNullable<Service["container"]>;
  const { dockerfile, architecture } = container;
  if (dockerfile !== undefined && !source.files.some(({ path }) => path === dockerfile)) throw fileMissing(dockerfile, source);
  const folder = mkdtempSync(join(tmpdir(), "landfall-container-"));
  try {
    // A .dockerignore of the app's is about its own Dockerfile, and is not found beside ours.
    await writeSource(dockerfile === undefined ? join(folder, RELEASE_FOLDER) : folder, source);
    if (dockerfile === undefined) writeFileSync(join(folder, GENERATED), dockerfileOf(context.app.app, settings));
    await buildImage(engine, { folder, dockerfile: dockerfile ?? GENERATED, image, architecture, emit, signal: context.signal });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function writeSource(folder: string, { files }: Source): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const { path, mode, content } of files) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    const bytes = await content();
    if (mode === "symlink") symlinkSync(bytes.toString(), file);
    else {
      writeFileSync(file, bytes);
      // What the umask takes away would be another image.
      chmodSync(file, mode);
    }
  }
}

const fileMissing = (dockerfile: string, source: Source) =>
  new LandfallError({
    code: "CONTAINER_FILE_MISSING",
    what: `the Dockerfile "${dockerfile}" is not in the release`,
    where: "container.dockerfile in landfall.config.ts",
    why: `Looked in: ${source.description}.`,
    standing: "Nothing was changed.",
    next: `git add ${dockerfile} && git commit   (or take the key away: the image is then made from the recipe)`,
  });

const imageGone = (image: string, release: string) =>
  new LandfallError({
    code: "RELEASE_UNKNOWN",
    what: `the registry does not have the container image "${image}" of release ${release}`,
    why: "It keeps the newest 50 images of an app.",
    standing: "Nothing was changed.",
    next: "deploy the commit of that release again: its image is then made anew",
  });
