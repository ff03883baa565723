// What is old enough to be cleaned away from an environment that goes on. Pure.
import type { Thing } from "./thing.ts";

/** What is younger may be of an operation on another environment, whose lease we do not hold. */
export const GRACE_MS = 2 * 3_600_000;
const IMAGES_KEPT = 3;
const RELEASES_KEPT = 3;

type Aged = Pick<Thing, "of" | "at">;

/** Left by an operation that was cut off: one of this environment, since we hold its lease, or one of long ago. */
export const isAbandoned = ({ of, at }: Aged, now: number): boolean => of === "environment" || (at !== undefined && now - at > GRACE_MS);

/** A machine of a fleet is its group's; any other that carries the tags did an errand. */
export const isErrand = ({ tags }: Pick<Thing, "tags">): boolean => tags["aws:autoscaling:groupName"] === undefined;

/** All but the newest, and but those that some text names: a template, a record. */
export function chooseImages<Image extends Pick<Thing, "id" | "of" | "at">>(images: readonly Image[], uses: readonly string[], now: number): Image[] {
  const newestFirst = [...images].sort((one, other) => (other.at ?? 0) - (one.at ?? 0));
  return newestFirst.slice(IMAGES_KEPT).filter(({ id, at }) => now - (at ?? now) > GRACE_MS && !uses.some((text) => text.includes(id)));
}

/** What lies in the artifact bucket. */
export interface Stored {
  key: string;
  at: number;
}

/** Made anew when it is needed again, or of use for an hour. */
const PASSING = /^(reports|recipes|templates)\//;

interface Uses {
  /** Templates and records of all environments of the app. */
  texts: readonly string[];
  /** Environments that stand, or that an operation works on. */
  environments: readonly string[];
  now: number;
}

/** Releases that no environment uses or could go back to, what was of use for an hour, and what is written of environments that are gone. */
export function chooseObjects(objects: readonly Stored[], { texts, environments, now }: Uses): string[] {
  return objects
    .filter(({ key, at }) => {
      if (now - at <= GRACE_MS) return false;
      if (PASSING.test(key)) return true;
      const environment = /^(?:leases|environments)\/(.+)\.json$/.exec(key)?.[1];
      if (environment !== undefined) return !environments.includes(environment);
      const release = /^releases\/([^/.]+)/.exec(key)?.[1];
      return release !== undefined && !texts.some((text) => text.includes(release));
    })
    .map(({ key }) => key);
}

/** Of an environment's record: what runs, and the releases that it could go back to. */
export function usesOf(record: string): string {
  const { rolledOut = [], ...rest } = JSON.parse(record) as { rolledOut?: string[] };
  return JSON.stringify({ ...rest, rolledOut: rolledOut.slice(-RELEASES_KEPT) });
}
