// What a machine of its own is told that does one thing and ends: the same program each time, and what it is to do.
import type { ReleaseArtifact } from "./boot.ts";
import { programText } from "./programs.ts";
import { assignments } from "./shell.ts";

interface Archive {
  key: string;
  sha256: string;
}

export interface TaskFacts {
  /** Its reports are under `reports/<id>/`. */
  id: string;
  /** The artifact bucket. */
  bucket: string;
  region: string;
  /** It ends by its own clock after so many minutes, whatever it does. */
  minutesMax: number;
}

export type TaskWork =
  /** Makes an image of a bare Debian 13. The archive holds `bake.sh` and the recipe's files in `files/`; `release` is baked in as well. */
  | { kind: "bake"; archive: Archive; release?: ReleaseArtifact }
  /** On the image: runs the build steps on the source, and uploads `releases/<release>/<sha256>.tar.gz`; the digest is in the result. */
  | { kind: "build"; archive: Archive; release: string; steps: readonly string[]; variables: Record<string, string> }
  /** On the image: runs one command of the release, with the plain variables of its service. `settings` are the `LANDFALL_…` variables of an instance. */
  | {
      kind: "phase";
      release: ReleaseArtifact;
      command: string;
      timeoutMs: number;
      variables: Record<string, string>;
      /** The names of all secrets that it is given. */
      secrets: readonly string[];
      /** Where a machine's variables come from: `LANDFALL_APP`, `_ENVIRONMENT`, `_SECRETS_PATH`, `_RESOURCES`. */
      settings: { app: string; environment: string; secretsPath: string; resources: string };
    };

/** What `reports/<id>/result.json` holds. */
export interface TaskResult {
  ok: boolean;
  /** The step that it came to: the one that failed, if it is not ok. */
  step: string;
  code: number;
  /** The last lines of its output. */
  tail: string[];
  /** Of a build. */
  sha256?: string;
}

/** The whole user data of its machine. */
export function taskScript(task: TaskFacts & TaskWork): string {
  const lines = assignments({
    LANDFALL_TASK: task.id,
    LANDFALL_TASK_KIND: task.kind,
    LANDFALL_TASK_MINUTES: task.minutesMax,
    LANDFALL_ARTIFACTS: task.bucket,
    LANDFALL_REGION: task.region,
    ...variablesOf(task),
  });
  // A bare Debian does not have the program yet; an image may have an older one than this.
  return ["#!/bin/bash", ...lines, programText("one-off-task.sh").replace(/^#!.*\n/, "")].join("\n");
}

function variablesOf(task: TaskWork): Record<string, string | number | undefined> {
  if (task.kind === "bake") return { ...archiveOf(task.archive), ...releaseOf(task.release) };
  if (task.kind === "build")
    return {
      ...archiveOf(task.archive),
      LANDFALL_RELEASE: task.release,
      LANDFALL_VARIABLES: JSON.stringify(task.variables),
      LANDFALL_STEPS: task.steps.length,
      ...Object.fromEntries(task.steps.map((step, index) => [`LANDFALL_STEP_${index + 1}`, step])),
    };
  const { app, environment, secretsPath, resources } = task.settings;
  return {
    ...releaseOf(task.release),
    LANDFALL_APP: app,
    LANDFALL_ENVIRONMENT: environment,
    LANDFALL_SERVICE: "release",
    LANDFALL_COMMAND: task.command,
    LANDFALL_VARIABLES: JSON.stringify(task.variables),
    LANDFALL_PHASE_TIMEOUT_MS: task.timeoutMs,
    LANDFALL_SECRETS_PATH: secretsPath,
    LANDFALL_SECRETS: task.secrets.join(" "),
    LANDFALL_RESOURCES: resources,
  };
}

const archiveOf = ({ key, sha256 }: Archive) => ({ LANDFALL_ARCHIVE_KEY: key, LANDFALL_ARCHIVE_SHA256: sha256 });

const releaseOf = (release: ReleaseArtifact | undefined) =>
  release && { LANDFALL_RELEASE: release.id, LANDFALL_RELEASE_KEY: release.key, LANDFALL_RELEASE_SHA256: release.sha256 };
