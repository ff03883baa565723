// A database on RDS: encrypted, TLS forced, a password that nobody has seen, backups to any second, deletion protected.
import type { aws_rds as rds } from "aws-cdk-lib";
import type { Database } from "../../../resources/index.ts";
import { wholeGib } from "../../../text/units.ts";
import { addDataGroup } from "../templates/network/security-groups.ts";
import { acknowledge, cdk } from "../templates/shared/cdk.ts";
import type { DataPlace } from "../templates/shared/data-place.ts";
import { addAlarm, bytes, count, percent } from "../templates/shared/metrics.ts";
import { logicalName } from "../templates/shared/names.ts";
import { addLogin, giveLogin } from "./login.ts";
import { type AwsResource, loginSource, type Outputs } from "./resource.ts";

const DAY_MS = 86_400_000;
const DATABASE_NAME = "app";
const USER = "app";
const READ_ONLY_USER = "readonly";

/** In what one engine differs from the other. */
interface Engine {
  /** RDS's name of it, and the scheme of its URLs. */
  type: Database["type"];
  version: string;
  port: number;
  /** What its URLs end with. */
  query: string;
  /** Of parameter groups, by version. */
  family: (version: string) => string;
  tls: Record<string, string>;
  /** What it allows by default: one for so much memory, and never more than that (RDS, "Quotas and constraints", maximum connections). */
  connections: { bytesEach: number; most: number };
  /** The rule of cfn-lint that does not know a version that RDS takes. */
  unknownVersion: (version: string) => string | undefined;
}

/** A type of resource that is a database on RDS. */
export function databaseResource(engine: Engine): AwsResource<Database> {
  const addressAt = (host: string) => `${host}:${engine.port}/${DATABASE_NAME}${engine.query}`;
  const source = (outputs: Outputs, login: "Login" | "LoginReadOnly") => loginSource(outputs, login, { scheme: engine.type, addressAt });
  return {
    address: "Address",
    addressAt,
    add: (place, name, database) => addDatabase(place, { name, database, engine, addressAt }),
    variables: ({ readOnlyUser }, outputs) => ({
      URL: source(outputs, "Login"),
      ...(readOnlyUser ? { READONLY_URL: source(outputs, "LoginReadOnly") } : {}),
    }),
    logins: ({ readOnlyUser }) => (readOnlyUser ? ["Login", "LoginReadOnly"] : ["Login"]),
    statements: () => [],
  };
}

interface Added {
  name: string;
  database: Database;
  engine: Engine;
  addressAt: (host: string) => string;
}

/** Returns the database's address. */
function addDatabase(place: DataPlace, { name, database, engine, addressAt }: Added): string {
  const { builder, network } = place;
  const { stack } = builder;
  const prefix = logicalName(name);
  const version = database.version ?? engine.version;
  const owner = { resource: name, output: "Login", user: USER, about: name } as const;
  const login = addLogin(place, owner);
  const group = addDataGroup(place, name, engine.port);
  const subnets = new cdk.aws_rds.CfnDBSubnetGroup(stack, `${prefix}Subnets`, {
    dbSubnetGroupDescription: `${name}: no way to the internet`,
    subnetIds: builder.parameterList(network, "IsolatedSubnets"),
  });
  const parameters = new cdk.aws_rds.CfnDBParameterGroup(stack, `${prefix}Parameters`, {
    family: engine.family(version),
    description: `${name}: TLS only`,
    parameters: engine.tls,
  });
  const [disk, most] = [wholeGib(database.disk), wholeGib(database.diskMax)];
  const instance = new cdk.aws_rds.CfnDBInstance(stack, `${prefix}Database`, {
    engine: engine.type,
    engineVersion: version,
    dbInstanceClass: database.machine,
    dbName: DATABASE_NAME,
    masterUsername: USER,
    masterUserPassword: `{{resolve:secretsmanager:${login}:SecretString:password}}`,
    allocatedStorage: String(disk),
    maxAllocatedStorage: most > disk ? most : undefined,
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
  const unknown = engine.unknownVersion(version);
  if (unknown !== undefined) acknowledgeMajorVersion(instance, unknown);
  instance.applyRemovalPolicy(database.finalSnapshot ? cdk.RemovalPolicy.SNAPSHOT : cdk.RemovalPolicy.DESTROY);
  acknowledge(instance, {
    RDS11: "It listens in isolated subnets, to security groups that are named one by one; another port would only confuse people.",
    ...(database.multiZone ? {} : { RDS3: "A standby doubles the price; the key multiZone says whether this database has one." }),
    ...(database.deletionProtection ? {} : { RDS10: "Switched off in the configuration, with the key deletionProtection." }),
  });
  builder.output(instance.attrEndpointAddress, name, "Address");
  const url = { scheme: engine.type, address: addressAt(instance.attrEndpointAddress) };
  giveLogin(place, { ...owner, ...url, login });
  if (database.readOnlyUser) {
    const reader = { resource: name, output: "LoginReadOnly", user: READ_ONLY_USER, about: `${name}, read-only` } as const;
    giveLogin(place, { ...reader, ...url, login: addLogin(place, reader) });
  }
  addDatabaseAlarms(place, { name, database, engine }, instance.ref);
  return instance.attrEndpointAddress;
}

function addDatabaseAlarms({ builder, site, alarms }: DataPlace, { name, database, engine }: Omit<Added, "addressAt">, id: string): void {
  const { stack } = builder;
  const prefix = logicalName(name);
  const { databaseCpu, databaseDisk, databaseConnections } = site.settings.alarms;
  const watch = { topic: builder.parameter(alarms, "Topic"), dimensions: { DBInstanceIdentifier: id }, silence: "missing" as const };
  const label = `${site.app}, ${site.environment}: database ${name}`;
  addAlarm(stack, `${prefix}CpuAlarm`, {
    ...watch,
    about: `${label} used more than ${databaseCpu} % of its processor for 10 minutes`,
    metric: "databaseCpu",
    above: percent(databaseCpu),
    minutes: 10,
  });
  addAlarm(stack, `${prefix}DiskAlarm`, {
    ...watch,
    about: `${label} has used ${databaseDisk} % of its disk`,
    metric: "databaseFreeDisk",
    // RDS enlarges a disk when a tenth of it is left. This rings when that has not happened.
    below: bytes(Math.round(wholeGib(database.disk) * 2 ** 30 * (1 - databaseDisk / 100))),
    minutes: 5,
  });
  addAlarm(stack, `${prefix}ConnectionsAlarm`, {
    ...watch,
    about: `${label} has ${databaseConnections} % of its possible connections open`,
    metric: "databaseConnections",
    above: count(Math.floor((connectionsOf({ machine: database.machine, ...engine.connections }) * databaseConnections) / 100)),
    minutes: 5,
  });
}

/** RDS takes "8.4" for its newest 8.4.x, "17" for its newest 17.x, and upgrades within it; the checkers' lists have full versions only. */
function acknowledgeMajorVersion(instance: rds.CfnDBInstance, check: string): void {
  instance.cfnOptions.metadata = { "cfn-lint": { config: { ignore_checks: [check] } } };
  acknowledge(instance, { E9006: "A major version, so that RDS's own upgrades within it are no difference to the template." }, "");
}

/**
 * How many connections a database allows, rather too few than too many: RDS divides the memory that it has not taken for itself, and says nowhere how
 * much that is. A fiftieth and 256 MiB fit what servers of 2 to 15 GiB were seen to allow.
 */
export function connectionsOf({ machine, bytesEach, most }: Engine["connections"] & { machine: string }): number {
  const usable = memoryGib(machine) * 2 ** 30 * 0.98 - 256 * 2 ** 20;
  return Math.min(most, Math.floor(usable / bytesEach));
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
