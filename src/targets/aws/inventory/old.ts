// Finds what is old enough to be removed by `clean` from an environment that goes on. Pure.
import type { AccountResource } from "./account-resource.ts";

/** What is younger may be of an operation on another environment, whose lease we do not hold. */
export const GRACE_MS = 2 * 3_600_000;
const IMAGES_KEPT = 3;
const RELEASES_KEPT = 3;

type Aged = Pick<AccountResource, "owner" | "at">;

/** Left by an operation that was cut off: one of this environment, since we hold its lease, or one of long ago. */
export const isAbandoned = ({ owner, at }: Aged, now: number): boolean => owner === "environment" || (at !== undefined && now - at > GRACE_MS);

/** A machine of a fleet is its group's; any other that carries the tags did a one-off task. */
export const isOneOffTask = ({ tags }: Pick<AccountResource, "tags">): boolean => tags["aws:autoscaling:groupName"] === undefined;

/** All but the newest, and but those that some text names: a template, a record. */
export function chooseImages<Image extends Pick<AccountResource, "id" | "owner" | "at">>(
  images: readonly Image[],
  uses: readonly string[],
  now: number,
): Image[] {
  const newestFirst = [...images].sort((a, b) => (b.at ?? 0) - (a.at ?? 0));
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
      const environment = /^(?:leases|environments|singletons)\/([^/]+?)(?:\.json|\/.+)$/.exec(key)?.[1];
      if (environment !== undefined) return !environments.includes(environment);
      const release = /^releases\/([^/.]+)/.exec(key)?.[1];
      return release !== undefined && !texts.some((text) => text.includes(release));
    })
    .map(({ key }) => key);
}

interface UsedRecord {
  rolledOut?: string[];
  processes?: Record<string, string>;
}

/** Of an environment's record: what runs, and the releases that it could go back to, with those whose processes they have. */
export function usesOf(record: string): string {
  const { rolledOut = [], processes = {}, ...rest }: UsedRecord = JSON.parse(record);
  const kept = rolledOut.slice(-RELEASES_KEPT);
  return JSON.stringify({ ...rest, kept, processes: kept.map((id) => processes[id]) });
}
