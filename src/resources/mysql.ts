// MySQL, wherever it is.
import { z } from "zod";
import { DATABASE, databaseKeys } from "./database.ts";
import { kind, resourceType } from "./resource-type.ts";

export const mysql = resourceType({
  ...DATABASE,
  keys: z.strictObject({ type: kind("mysql"), ...databaseKeys }),
  ports: { "mysql:": 3306 },
  client: "default-mysql-client",
  notLocal: {
    what: "a mysql database",
    why: "On this machine Landfall starts Postgres itself, but no MySQL: it has to be told where one is.",
    example: "mysql://...",
  },
});
