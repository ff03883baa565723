// Shared by the types of databases.
import { z } from "zod";
import { duration, key, size } from "../text/key.ts";
import { wholeGib } from "../text/units.ts";
import { type BeyondLimit, urlKey } from "./resource-type.ts";

export const databaseKeys = {
  url: urlKey,
  readOnlyUser: key(z.boolean().default(true), { about: "Make a second user that can only read; its URL is `<NAME>_READONLY_URL`." }),
  version: key(
    z
      .string()
      .regex(/^\d+(\.\d+)?$/, { error: 'a version such as "17" or "8.4"' })
      .optional(),
    { about: "AWS: the engine's version; 17 for Postgres and 8.4 for MySQL when left out. On this machine Postgres is 18." },
  ),
  machine: key(
    z
      .string()
      .regex(/^db\.[a-z0-9-]+\.[a-z0-9-]+$/, { error: 'an RDS instance class such as "db.t4g.micro"' })
      .default("db.t4g.micro"),
    { about: "AWS: the instance class." },
  ),
  disk: key(size("20GB", "65536GiB").prefault("20GB"), { about: "AWS: the disk it begins with." }),
  diskMax: key(size("20GB", "65536GiB").prefault("100GB"), { about: "AWS: the disk grows by itself up to this size." }),
  multiZone: key(z.boolean().default(false), { about: "AWS: keep a standby in a second zone, which takes over by itself. Doubles the price." }),
  backups: key(duration("1d", "35d").prefault("7d"), {
    about: "AWS: how long backups are kept, and how far back the database can be restored to any second.",
  }),
  deletionProtection: key(z.boolean().default(true), { about: "AWS: refuses to be deleted until this is false." }),
  finalSnapshot: key(z.boolean().default(true), { about: "AWS: a snapshot is kept when it is deleted or replaced." }),
};

interface Database {
  url?: unknown;
  readOnlyUser: boolean;
  machine: string;
  disk: number;
  diskMax: number;
}

export const DATABASE = {
  changeable: ["url", "machine", "disk", "diskMax", "multiZone", "backups", "deletionProtection", "finalSnapshot"],
  variable: "URL",
  moreVariables: ({ readOnlyUser }: Database) => (readOnlyUser ? ["READONLY_URL"] : []),
  isDatabase: true,
  inNetwork: true,
  limitsOnAws: ({ machine, disk, diskMax }: Database): BeyondLimit[] => {
    const [first, most] = [wholeGib(disk), wholeGib(diskMax)];
    return [
      ...(most !== first && most < first * 1.1
        ? [["diskMax", `${most}GB`, `it is the same as "disk", ${first}GB, or at least a tenth more`] satisfies BeyondLimit]
        : []),
      ...(machine.startsWith("db.") ? [] : [["machine", `"${machine}"`, 'an instance class begins with "db."'] satisfies BeyondLimit]),
    ];
  },
};
