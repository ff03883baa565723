// Postgres on RDS.
import { databaseResource } from "./database.ts";

export const postgres = databaseResource({
  type: "postgres",
  version: "17",
  port: 5432,
  // Node's client takes TLS only when it is told to, and any server's certificate unless it is told whose. The file is in every image.
  query: "?sslmode=verify-full&sslrootcert=/usr/local/share/landfall/rds.pem",
  family: (version) => `postgres${version.split(".")[0]}`,
  tls: { "rds.force_ssl": "1" },
  connections: { bytesEach: 9_531_392, most: 5000 },
  unknownVersion: (version) => (version.includes(".") ? undefined : "W3691"),
});
