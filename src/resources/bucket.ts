// A bucket that speaks S3's protocol, wherever it is.
import { z } from "zod";
import { kind, resourceType, urlKey } from "./resource-type.ts";

export const bucket = resourceType({
  keys: z.strictObject({ type: kind("bucket"), url: urlKey }),
  changeable: ["url"],
  variable: "BUCKET",
  moreVariables: () => [],
  // Apps hand a bucket's name to their client, so `s3://uploads` becomes `uploads`.
  valueOfUrl: (url) => /^s3:\/\/([^/]+)\/?$/.exec(url)?.[1] ?? url,
  ports: { "http:": 80, "https:": 443 },
  isDatabase: false,
  inNetwork: false,
  limitsOnAws: () => [],
});
