// Postgres, wherever it is.
import { z } from "zod";
import { DATABASE, databaseKeys } from "./database.ts";
import { kind, resourceType } from "./resource-type.ts";

export const postgres = resourceType({
  ...DATABASE,
  keys: z.strictObject({ type: kind("postgres"), ...databaseKeys }),
  ports: { "postgres:": 5432, "postgresql:": 5432 },
  client: "postgresql-client",
  needsCertificates: true,
});
