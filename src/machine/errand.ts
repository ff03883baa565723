// What a machine of its own is told that does one thing and ends: the same program each time, and what it is to do.
import type { ReleaseArtifact } from "./boot.ts";
import { programText } from "./programs.ts";
import { assignments } from "./shell.ts";

interface Archive {
  key: string;
  sha256: string;
}

interface ErrandFacts {
  /** Its reports are under `reports/<id>/`. */
  id: string;
  /** The artifact bucket. */
  bucket: string;
  region: string;
  /** It ends by its own clock after so many minutes, whatever it does. */
  minutesMax: number;
}

export type Errand =
  /** Makes an image of a bare Debian 13. The archive holds `bake.sh` and the recipe's files in `files/`; `release` is baked in as well. */
  | (ErrandFacts & { kind: "bake"; archive: Archive; release?: ReleaseArtifact })
  /** On the image: runs the build steps on the source, and uploads `releases/<release>/<sha256>.tar.gz`; the digest is in the result. */
  | (ErrandFacts & { kind: "build"; archive: Archive; release: string; steps: readonly string[] })
  /** On the image: runs one command of the release. `settings` are the `LANDFALL_…` variables of an instance. */
  | (ErrandFacts & {
      kind: "phase";
      release: ReleaseArtifact;
      command: string;
      timeoutMs: number;
      /** The names of all secrets that it is given. */
      secrets: readonly string[];
      /** Where a machine's variables come from: `LANDFALL_APP`, `_ENVIRONMENT`, `_SECRETS_PATH`, `_RESOURCES`. */
      settings: { app: string; environment: string; secretsPath: string; resources: string };
    });

/** What `reports/<id>/result.json` holds. */
export interface ErrandResult {
  ok: boolean;
  /** The step that it came to: the one that failed, if it is not ok. */
  step: string;
  code: number;
  /** The last lines of its output. */
  tail: string[];
  /** Of a build. */
  sha256?: string;
}

/** The whole user data of an errand's machine. */
export function errandScript(errand: Errand): string {
  const lines = assignments({
    LANDFALL_ERRAND: errand.id,
    LANDFALL_ERRAND_KIND: errand.kind,
    LANDFALL_ERRAND_MINUTES: errand.minutesMax,
    LANDFALL_ARTIFACTS: errand.bucket,
    LANDFALL_REGION: errand.region,
    ...taskOf(errand),
  });
  // A bare Debian does not have the program yet; an image may have an older one than this.
  return ["#!/bin/bash", ...lines, programText("errand.sh").replace(/^#!.*\n/, "")].join("\n");
}

function taskOf(errand: Errand): Record<string, string | number | undefined> {
  if (errand.kind === "bake") return { ...archiveOf(errand.archive), ...releaseOf(errand.release) };
  if (errand.kind === "build")
    return {
      ...archiveOf(errand.archive),
      LANDFALL_RELEASE: errand.release,
      LANDFALL_STEPS: errand.steps.length,
      ...Object.fromEntries(errand.steps.map((step, index) => [`LANDFALL_STEP_${index + 1}`, step])),
    };
  const { app, environment, secretsPath, resources } = errand.settings;
  return {
    ...releaseOf(errand.release),
    LANDFALL_APP: app,
    LANDFALL_ENVIRONMENT: environment,
    LANDFALL_SERVICE: "release",
    LANDFALL_COMMAND: errand.command,
    LANDFALL_PHASE_TIMEOUT_MS: errand.timeoutMs,
    LANDFALL_SECRETS_PATH: secretsPath,
    LANDFALL_SECRETS: errand.secrets.join(" "),
    LANDFALL_RESOURCES: resources,
  };
}

const archiveOf = ({ key, sha256 }: Archive) => ({ LANDFALL_ARCHIVE_KEY: key, LANDFALL_ARCHIVE_SHA256: sha256 });

const releaseOf = (release: ReleaseArtifact | undefined) =>
  release && { LANDFALL_RELEASE: release.id, LANDFALL_RELEASE_KEY: release.key, LANDFALL_RELEASE_SHA256: release.sha256 };
