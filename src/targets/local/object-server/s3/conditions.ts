// Requests that depend on what stands. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
import { ServiceError } from "../protocol/service-error.ts";
import { noSuchKey, type StoredObject } from "./bucket.ts";

type Standing = Pick<StoredObject, "etag" | "at">;

export interface Conditions {
  ifMatch?: string;
  ifNoneMatch?: string;
  ifModifiedSince?: string;
  ifUnmodifiedSince?: string;
}

/** `if-match` and the others, or those of a copy's source. */
export const readConditions = (header: (name: string) => string | undefined, prefix = ""): Conditions => ({
  ifMatch: header(`${prefix}if-match`),
  ifNoneMatch: header(`${prefix}if-none-match`),
  ifModifiedSince: header(`${prefix}if-modified-since`),
  ifUnmodifiedSince: header(`${prefix}if-unmodified-since`),
});

/** What a reading of it comes to. A matching tag outweighs the dates, as RFC 9110 and S3 have it. */
export function judgeReading({ etag, at }: Standing, conditions: Conditions): "as it is" | "not modified" | "failed" {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  if (ifMatch !== undefined ? !isListed(etag, ifMatch) : isAfter(at, ifUnmodifiedSince)) return "failed";
  if (ifNoneMatch !== undefined) return isListed(etag, ifNoneMatch) ? "not modified" : "as it is";
  return ifModifiedSince === undefined || !isDate(ifModifiedSince) || isAfter(at, ifModifiedSince) ? "as it is" : "not modified";
}

/** Throws PreconditionFailed when something stands that must not, or is not what it was. */
export function checkWriting(key: string, { ifMatch, ifNoneMatch }: Conditions): (standing: Standing | undefined) => void {
  if (ifNoneMatch !== undefined && ifNoneMatch !== "*") throw notImplemented("If-None-Match other than *");
  return (standing) => {
    if (ifNoneMatch === "*" && standing) throw preconditionFailed("If-None-Match");
    if (ifMatch === undefined) return;
    if (!standing) throw noSuchKey(key);
    if (!isListed(standing.etag, ifMatch)) throw preconditionFailed("If-Match");
  };
}

const isListed = (etag: string, list: string): boolean =>
  list.split(",").some((one) =>
    ["*", etag].includes(
      one
        .trim()
        .replace(/^W\//, "")
        .replace(/^"(.*)"$/, "$1"),
    ),
  );

const isDate = (text: string): boolean => !Number.isNaN(Date.parse(text));
/** Dates in headers have no fractions of a second. */
const isAfter = (at: number, date: string | undefined): boolean => date !== undefined && Math.floor(at / 1000) * 1000 > Date.parse(date);

export const preconditionFailed = (condition: string): ServiceError =>
  new ServiceError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412, { Condition: condition });

export const notImplemented = (what: string): ServiceError =>
  new ServiceError("NotImplemented", `${what}: this is not implemented by the bucket of an environment on this machine.`, 501);
