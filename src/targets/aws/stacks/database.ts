// Postgres or MySQL on RDS: encrypted, TLS forced, a password that nobody has seen, backups to any second, deletion protected.
import type { aws_rds as rds, aws_secretsmanager as secretsmanager } from "aws-cdk-lib";
import type { Resource } from "../../../config/schema.ts";
import { acknowledge, cdk } from "./cdk.ts";
import type { DataSite } from "./data.ts";
import { drawDataGroup } from "./groups.ts";
import { bytes, count, drawAlarm, percent } from "./metrics.ts";
import { logicalName } from "./names.ts";
import { hasContainers } from "./running.ts";

export type Database = Extract<Resource, { type: "postgres" | "mysql" }>;

const DAY_MS = 86_400_000;
const GB = 1_000_000_000;
const DATABASE_NAME = "app";
const USER = "app";
const READ_ONLY_USER = "readonly";

const ENGINES = {
  postgres: {
    version: "17",
    port: 5432,
    scheme: "postgres",
    // Node's client takes TLS only when it is told to, and any server's certificate unless it is told whose. The file is in every image.
    query: "?sslmode=verify-full&sslrootcert=/usr/local/share/landfall/rds.pem",
    family: (version: string) => `postgres${version.split(".")[0]}`,
    tls: { "rds.force_ssl": "1" },
  },
  mysql: {
    version: "8.4",
    port: 3306,
    scheme: "mysql",
    // Each client for MySQL has a word of its own for it.
    query: "",
    family: (version: string) => `mysql${version.split(".").slice(0, 2).join(".")}`,
    tls: { require_secure_transport: "1" },
  },
} as const;

/** What services must know of a database besides what its stack gives. */
export const databaseFacts = ({ type }: Database) => {
  const { port, scheme } = ENGINES[type];
  return { port, scheme };
};

/** What follows user and password in a URL. */
export const databaseAddress = ({ type }: Database, host: string) => `${host}:${ENGINES[type].port}/${DATABASE_NAME}${ENGINES[type].query}`;

/** Returns the database's address. */
export function drawDatabase(place: DataSite, name: string, database: Database): string {
  const { blueprint, site, network } = place;
  const { stack } = blueprint;
  const prefix = logicalName(name);
  const engine = ENGINES[database.type];
  const version = database.version ?? engine.version;
  const secret = drawSecret(blueprint, `${prefix}Login`, USER, `${site.app.name}, ${site.name}: ${name}`);
  const group = drawDataGroup(place, name, engine.port);
  const subnets = new cdk.aws_rds.CfnDBSubnetGroup(stack, `${prefix}Subnets`, {
    dbSubnetGroupDescription: `${name}: no way to the internet`,
    subnetIds: blueprint.takeList(network, "IsolatedSubnets"),
  });
  const parameters = new cdk.aws_rds.CfnDBParameterGroup(stack, `${prefix}Parameters`, {
    family: engine.family(version),
    description: `${name}: TLS only`,
    parameters: engine.tls,
  });
  const instance = new cdk.aws_rds.CfnDBInstance(stack, `${prefix}Database`, {
    engine: database.type,
    engineVersion: version,
    dbInstanceClass: database.machine,
    dbName: DATABASE_NAME,
    masterUsername: USER,
    masterUserPassword: `{{resolve:secretsmanager:${secret.ref}:SecretString:password}}`,
    allocatedStorage: String(gigabytes(database.disk)),
    maxAllocatedStorage: database.diskMax > database.disk ? gigabytes(database.diskMax) : undefined,
    storageType: "gp3",
    storageEncrypted: true,
    multiAz: database.multiZone,
    dbSubnetGroupName: subnets.ref,
    dbParameterGroupName: parameters.ref,
    vpcSecurityGroups: [group],
    publiclyAccessible: false,
    backupRetentionPeriod: Math.ceil(database.backups / DAY_MS),
    copyTagsToSnapshot: true,
    deleteAutomatedBackups: true,
    deletionProtection: database.deletionProtection,
    autoMinorVersionUpgrade: true,
  });
  if (database.type === "mysql") acknowledgeMajorVersion(instance, "E3691");
  else if (!version.includes(".")) acknowledgeMajorVersion(instance, "W3691");
  instance.applyRemovalPolicy(database.finalSnapshot ? cdk.RemovalPolicy.SNAPSHOT : cdk.RemovalPolicy.DESTROY);
  acknowledge(instance, {
    RDS11: "It listens in isolated subnets, to security groups that are named one by one; another port would only confuse people.",
    ...(database.multiZone ? {} : { RDS3: "A standby doubles the price; the key multiZone says whether this database has one." }),
    ...(database.deletionProtection ? {} : { RDS10: "Switched off in the configuration, with the key deletionProtection." }),
  });
  blueprint.give(`${prefix}Address`, instance.attrEndpointAddress);
  blueprint.give(`${prefix}Login`, secret.ref);
  const url = { scheme: engine.scheme, address: databaseAddress(database, instance.attrEndpointAddress) };
  drawUrl(place, `${prefix}Login`, { ...url, user: USER, login: secret.ref });
  if (database.readOnlyUser) {
    const reader = drawSecret(blueprint, `${prefix}LoginReadOnly`, READ_ONLY_USER, `${site.app.name}, ${site.name}: ${name}, read-only`);
    blueprint.give(`${prefix}LoginReadOnly`, reader.ref);
    drawUrl(place, `${prefix}LoginReadOnly`, { ...url, user: READ_ONLY_USER, login: reader.ref });
  }
  drawDatabaseAlarms(place, name, database, instance.ref);
  return instance.attrEndpointAddress;
}

function drawDatabaseAlarms({ blueprint, site, alarms }: DataSite, name: string, database: Database, id: string): void {
  const { stack } = blueprint;
  const prefix = logicalName(name);
  const { databaseCpu, databaseDisk, databaseConnections } = site.environment.alarms;
  const watch = { topic: blueprint.takeText(alarms, "Topic"), dimensions: { DBInstanceIdentifier: id }, silence: "missing" as const };
  const label = `${site.app.name}, ${site.name}: database ${name}`;
  drawAlarm(stack, `${prefix}CpuAlarm`, {
    ...watch,
    about: `${label} used more than ${databaseCpu} % of its processor for 10 minutes`,
    metric: "databaseCpu",
    above: percent(databaseCpu),
    minutes: 10,
  });
  drawAlarm(stack, `${prefix}DiskAlarm`, {
    ...watch,
    about: `${label} has used ${databaseDisk} % of its disk`,
    metric: "databaseFreeDisk",
    // RDS enlarges a disk when a tenth of it is left. This rings when that has not happened.
    below: bytes(Math.round(gigabytes(database.disk) * 2 ** 30 * (1 - databaseDisk / 100))),
    minutes: 5,
  });
  drawAlarm(stack, `${prefix}ConnectionsAlarm`, {
    ...watch,
    about: `${label} has ${databaseConnections} % of its possible connections open`,
    metric: "databaseConnections",
    above: count(Math.floor((connectionsMax(database) * databaseConnections) / 100)),
    minutes: 5,
  });
}

/** RDS takes "8.4" for its newest 8.4.x, "17" for its newest 17.x, and upgrades within it; the checkers' lists have full versions only. */
function acknowledgeMajorVersion(instance: rds.CfnDBInstance, check: string): void {
  instance.cfnOptions.metadata = { "cfn-lint": { config: { ignore_checks: [check] } } };
  acknowledge(instance, { E9006: "A major version, so that RDS's own upgrades within it are no difference to the template." }, "");
}

/** RDS counts a disk in GiB, and calls them GB. */
const gigabytes = (size: number) => Math.ceil(size / GB);

const NEVER_ROTATES = "Instances read it when they start: one that changed by itself would lock out those that run.";

/** A user and a password of 40 letters and digits, which need no quoting in a URL. */
export function drawSecret({ stack }: DataSite["blueprint"], id: string, username: string, description: string): secretsmanager.CfnSecret {
  const secret = new cdk.aws_secretsmanager.CfnSecret(stack, id, {
    description,
    generateSecretString: {
      secretStringTemplate: JSON.stringify({ username }),
      generateStringKey: "password",
      passwordLength: 40,
      excludePunctuation: true,
    },
  });
  acknowledge(secret, { SMG4: NEVER_ROTATES });
  return secret;
}

interface Url {
  scheme: string;
  user: string;
  /** The ARN of the secret with the password. */
  login: string;
  address: string;
}

/** The whole URL as a secret of its own: ECS gives a container what a secret holds, and cannot put it together. Only for apps with containers. */
export function drawUrl({ blueprint, site }: DataSite, id: string, { scheme, user, login, address }: Url): void {
  if (!hasContainers(site.app)) return;
  const secret = new cdk.aws_secretsmanager.CfnSecret(blueprint.stack, `${id}Url`, {
    description: `${site.app.name}, ${site.name}: the URL with the password of ${id}`,
    secretString: `${scheme}://${user}:{{resolve:secretsmanager:${login}:SecretString:password}}@${address}`,
  });
  acknowledge(secret, { SMG4: NEVER_ROTATES });
  blueprint.give(`${id}Url`, secret.ref);
}

/**
 * What the engine allows by default (RDS, "Quotas and constraints", maximum connections): memory in bytes by 9531392 for Postgres, by
 * 12582880 for MySQL, 5000 and 16000 at most.
 */
function connectionsMax({ type, machine }: Database): number {
  const memory = memoryGib(machine) * 2 ** 30;
  return type === "postgres" ? Math.min(5000, Math.floor(memory / 9_531_392)) : Math.min(16_000, Math.floor(memory / 12_582_880));
}

const SMALL_GIB: Record<string, number> = { micro: 1, small: 2, medium: 4 };

/** The memory of an instance class by its name: `db.t4g.micro` 1, `db.m7g.large` 8, `db.r7g.2xlarge` 64. */
export function memoryGib(machine: string): number {
  const [, family = "", size = ""] = machine.split(".");
  const small = SMALL_GIB[size];
  if (small !== undefined) return small;
  const perLarge = family.startsWith("r") || family.startsWith("x") ? 16 : family.startsWith("c") ? 4 : 8;
  return perLarge * (size === "large" ? 1 : size === "xlarge" ? 2 : 2 * (Number.parseInt(size, 10) || 1));
}
