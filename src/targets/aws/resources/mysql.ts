// MySQL on RDS.
import { databaseResource } from "./database.ts";

export const mysql = databaseResource({
  type: "mysql",
  version: "8.4",
  port: 3306,
  // Each client for MySQL has a word of its own for TLS.
  query: "",
  family: (version) => `mysql${version.split(".").slice(0, 2).join(".")}`,
  tls: { require_secure_transport: "1" },
  connections: { bytesEach: 12_582_880, most: 16_000 },
  unknownVersion: () => "E3691",
});
