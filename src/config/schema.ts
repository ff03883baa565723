// The one table of keys. Types, validation, defaults and docs/configuration.md all come from here;
// what concerns several keys at once is in rules/.
import { z } from "zod";
import { resourceSchema } from "../resources/index.ts";
import { urlKey } from "../resources/resource-type.ts";
import { duration, key, size, variable } from "../text/key.ts";
import { INSTANCES_MAX, type Instances } from "./bounds.ts";
import { headerName, headerValue, loginName, pathPattern, redirectAddress, requestPath, routeHost } from "./http-text.ts";

const name = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, {
  error: "a name of lower-case letters, digits and hyphens that begins with a letter, at most 31 characters",
});
const command = z.string().min(1, { error: "a command that is not empty" });
const count = z.int({ error: "a whole number" }).min(0).max(INSTANCES_MAX);
const statusRange = z
  .string()
  .regex(/^[1-5]\d\d(-[1-5]\d\d)?$/, { error: 'a status or a range of them, such as "200" or "200-399"' })
  .transform((text) => {
    const [from = 0, to = from] = text.split("-").map(Number);
    return { from, to };
  });

const health = z.strictObject({
  path: key(requestPath.default("/"), { about: "Requested with GET on each instance.", example: '"/ready"' }),
  host: key(routeHost.optional(), { about: "The `Host` of these requests, and of those of `drain`, for frameworks that only answer to names they know; without it, it is the instance's own address.", example: '"www.example.com"' }),
  status: key(statusRange.prefault("200-299"), { about: "The statuses that pass." }),
  interval: key(duration("50ms", "5m").prefault("1s"), { about: "Time from one check to the next." }),
  timeout: key(duration("50ms", "2m").prefault("2s"), { about: "An answer that takes longer counts as a failure." }),
  startupTimeout: key(duration("1s", "1h").prefault("1m"), { about: "A new instance must be healthy by then." }),
  unhealthyAfter: key(z.int().min(1).max(100).default(3), { about: "Failures in a row until the balancer stops sending requests." }),
  replaceAfter: key(duration("0s", "1d").prefault("1m"), { about: "Locally: an instance that goes on failing for so long is replaced, unless most of its service fail together. `0s`: never. On AWS the group or ECS does so as soon as the balancer has stopped sending requests." }),
  steadyFor: key(duration("0s", "30m").prefault("5s"), { about: "An instance of a new release has to stay healthy for so long, without ending, before it counts: until the first ones have, none but those they replace are stopped. For workers too, which are healthy while they run." }),
});

const drain = z.strictObject({
  ask: key(requestPath.optional(), { about: "Requested with GET before an instance is stopped; 200 is yes, any other answer is “not yet”." }),
  start: key(requestPath.optional(), { about: "Requested with POST once the instance gets no new requests." }),
  timeout: key(duration("0s", "1d").prefault("1m"), { about: "How long “not yet”, and then the requests in hand, may take." }),
});

const stop = z.strictObject({
  signal: key(z.enum(["SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"]).default("SIGTERM"), { about: "Asks it to stop: its command, and not the children that wait for nobody but their parent; see [workers](workers.md)." }),
  timeout: key(duration("100ms", "1d").prefault("10s"), { about: "What is left of it then is killed. A worker needs the time of its longest job." }),
});

const instances = z
  .union([
    z.int().min(0).max(INSTANCES_MAX),
    z.strictObject({ min: key(count, { about: "Never fewer." }), max: key(count, { about: "Never more." }) }),
  ])
  .transform((value): Instances => (typeof value === "number" ? { min: value, max: value, fixed: true } : value));

const percentage = z
  .string()
  .regex(/^(100|[1-9]\d?)%$/, { error: 'a percentage from "1%" to "100%"' })
  .transform((text) => Number.parseInt(text, 10));

const scaling = z.strictObject({
  cpu: key(percentage.optional(), { about: "The average use of the processor to keep: of one core locally, of the machine or the task on AWS.", example: '"60%"' }),
  requests: key(z.number().min(0.01).max(1_000_000).optional(), { about: "Requests per second that one instance should get.", example: "50" }),
  queue: key(
    z.strictObject({
      resource: key(name, { about: "The queue that its instances take messages from." }),
      latency: key(duration("100ms", "1d"), { about: "How long a message may wait until its turn comes." }),
      processing: key(duration("1ms", "1d").optional(), { about: "How long one instance takes for one message; measured from what the fleet deletes when left out." }),
    }).optional(),
    { about: "Enough instances for the messages that wait.", example: '{ resource: "jobs", latency: "30s" }' },
  ),
  cooldown: key(
    z.strictObject({
      out: key(duration("0s", "1d").prefault("1m"), { about: "Until new instances may be followed by more." }),
      in: key(duration("0s", "1d").prefault("5m"), { about: "Only what was too many during all of this time is taken away." }),
    }).prefault({}),
    { about: "How long a change is left to show its effect." },
  ),
});

const machineType = z.string().regex(/^[a-z][a-z0-9-]*\.[a-z0-9-]+$/, { error: 'an EC2 instance type such as "t4g.small"' });

const machine = z.strictObject({
  types: key(z.array(machineType).min(1).max(20).prefault(["t4g.small"]), { about: "EC2 instance types, the preferred one first; all of one architecture. A `g` after the generation, as in t4g, means ARM." }),
  disk: key(size("1GB", "16384GiB").prefault("10GB"), { about: "The size of its encrypted disk, which is never smaller than its image: 10GB at least." }),
  spot: key(z.boolean().default(false), { about: "Use spare capacity, which is cheaper and may be taken away with two minutes' notice." }),
});

const container = z.strictObject({
  dockerfile: key(z.string().min(1).optional(), { about: "The app's own Dockerfile, by its path. Without it the image is made from the recipe, on Debian 13.", example: '"Dockerfile"' }),
  cpu: key(z.literal([0.25, 0.5, 1, 2, 4, 8, 16]).default(0.25), { about: "Virtual processors of each task." }),
  memory: key(size("512MB", "244GiB").prefault("512MB"), { about: "Memory of each task: one of the sizes that Fargate has for so many processors." }),
  architecture: key(z.enum(["arm64", "amd64"]).default("arm64"), { about: "What it is built for and runs on." }),
  spot: key(z.boolean().default(false), { about: "Use spare capacity, which is cheaper and may be taken away with two minutes' notice." }),
  minHealthy: key(percentage.prefault("75%"), { about: "During a `rolling` rollout never fewer of its tasks run, rounded up. In place of `rollout.batch`." }),
  maxHealthy: key(z.string().regex(/^(1\d\d|200)%$/, { error: 'a percentage from "100%" to "200%"' }).transform((text) => Number.parseInt(text, 10)).prefault("150%"), { about: "Nor more, rounded down; of one task two. `rollout.surge: false` makes it 100%." }),
});

const service = z.strictObject({
  command: key(command, { about: "Started by the shell in the release's folder. `$PORT` is the port it must listen on.", example: '"node server.js"' }),
  port: key(z.int().min(1).max(65535).optional(), { about: "Makes it a web service: requests reach it. Locally every instance gets a port of its own in `PORT`; on a machine of its own, this one." }),
  health: key(health.prefault({}), { about: "When an instance counts as working. Only `steadyFor` concerns services without a port." }),
  instances: key(instances.prefault(1), { about: "A number: so many; another one of `landfall scale` holds until the next deploy. Or `{ min, max }`, the bounds of `landfall scale`, whose number later deploys keep, and of autoscaling.", example: "{ min: 2, max: 6 }" }),
  scaling: key(scaling.optional(), { about: "Changes the number of instances between `min` and `max` by load. Of several measures the one that asks for most instances counts." }),
  environment: key(z.record(variable, z.string()).default({}), { about: "Variables, as they are. Not for secrets." }),
  secrets: key(z.array(variable).default([]), { about: "Names of secrets given to it as variables; set with `landfall secrets set`." }),
  drain: key(drain.prefault({}), { about: "How an instance is asked before it is stopped." }),
  stop: key(stop.prefault({}), { about: "How it is stopped." }),
  singleton: key(z.boolean().default(false), { about: "Never two at once, not even during a rollout: for schedulers." }),
  schedule: key(z.string().optional(), { about: "Makes it a job: the command is run at these times (cron, five fields, UTC), never twice at once.", example: '"*/5 * * * *"' }),
  timeout: key(duration("100ms", "7d").prefault("1h"), { about: "For jobs: a run that takes longer is stopped." }),
  machine: key(machine.prefault({}), { about: "AWS: the machine that each instance gets." }),
  container: key(container.optional(), { about: "AWS: run it as containers on ECS Fargate, instead of on machines. Locally its `command` is a plain process." }),
});

const recipe = z.strictObject({
  packages: key(z.array(z.string().regex(/^[a-z0-9][a-z0-9.+-]+$/, { error: "a Debian package's name" })).default([]), { about: "Debian packages that the app needs. Locally they are looked for, never installed." }),
  files: key(z.array(z.string().min(1)).default([]), { about: "Files of the app that the steps read, such as a lock file. With the steps they decide the image's hash.", example: '["package.json", "package-lock.json"]' }),
  image: key(z.enum(["recipe", "release"]).default("recipe"), { about: "AWS: what the image of a machine holds. `recipe`: a change of the code makes none, and instances fetch the release when they start. `release`: it is baked in, which takes minutes more for each release." }),
  steps: key(z.array(command).default([]), { about: "Run once per image, in its folder, where only `files` are. What they make there is part of every release, as files of its own.", example: '["npm ci --omit=dev"]' }),
});

const release = z.strictObject({
  build: key(z.array(command).default([]), { about: "Run once per release, in its folder: assets, static files. With variables, but no secrets." }),
  expand: key(command.optional(), { about: "Migrations that the release before can live with; once per release, before any traffic moves." }),
  contract: key(command.optional(), { about: "Migrations that only the new release can live with; run by `landfall deploy <env> --contract` once the rollout is final. There is no rollback past them." }),
  autoContract: key(z.boolean().default(false), { about: "Every deploy ends with `contract`, once the old fleet's soak is over." }),
  service: key(name.optional(), { about: "Whose variables and data folder `expand` and `contract` have, and whose variables the build steps. The first web service when left out, or else the first service.", example: '"web"' }),
  timeout: key(duration("100ms", "1d").prefault("10m"), { about: "Time budget of `expand`, and of `contract`." }),
});

const route = z.strictObject({
  path: key(pathPattern.default("/*"), { about: "A path as it is read, decoded; `*` at its end stands for anything. Where the route denies or asks for a password, case, a `;…` and a slash at the end make no difference, and `/admin/*` means `/admin` as well." }),
  host: key(routeHost.optional(), { about: "Only for this host name, in any case, with any port." }),
  deny: key(z.boolean().default(false), { about: "Answered with 404 and never sent on." }),
  basicAuth: key(z.strictObject({ user: key(loginName, { about: "The name to log in with." }), password: key(variable, { about: "The name of the secret that holds it." }) }).optional(), { about: "Ask for a user and a password." }),
  redirect: key(z.strictObject({ to: key(redirectAddress, { about: "The other address.", example: '"https://www.example.com$path"' }), status: key(z.literal([301, 302, 307, 308]).default(308), { about: "The status of the answer." }) }).optional(), { about: "Answer with another address. `$path` in `to` stands for the path and query asked for." }),
  headers: key(z.record(headerName, headerValue).default({}), { about: "Response headers to set." }),
  service: key(name.optional(), { about: "The web service that gets these requests, when there are several." }),
});

const batch = z.union([z.int().min(1).max(1000), z.string().regex(/^(100|[1-9]\d?)%$/, { error: 'a percentage such as "25%"' })]);

const strategy = z.enum(["rolling", "blueGreen", "canary"]);

const weight = z
  .string()
  .regex(/^(50|[1-4]?\d)%$/, { error: 'a percentage from "1%" to "50%": as much again goes to the baseline beside the canary' })
  .transform((text) => Number.parseInt(text, 10) / 100);

const canary = z.strictObject({
  weights: key(z.array(weight).min(1).prefault(["5%", "25%"]), { about: "The canary's share of the requests, step by step; a fresh baseline of the old release gets as much." }),
  instances: key(z.int().min(1).max(100).default(1), { about: "Instances of the canary, and as many of the baseline." }),
  step: key(duration("100ms", "1d").prefault("2m"), { about: "Each step takes at least so long. Not longer than `timeout`." }),
  minRequests: key(z.int().min(20).max(1_000_000).default(100), { about: "Requests that the canary must have answered in each step, and its baseline too. The last step goes on beyond them until it is shown that the canary is no worse." }),
  timeout: key(duration("100ms", "1d").prefault("20m"), { about: "Each step takes at most so long. One with too few requests goes on with the next share." }),
  undecided: key(z.enum(["promote", "refuse"]).default("promote"), { about: "What becomes of a canary of which too little is known at the end of the last step, since the app is quiet. `promote`: it serves, because it was healthy all the time. `refuse`: the old release does." }),
});

const rollout = z.strictObject({
  strategy: key(strategy.default("rolling"), { about: "`rolling` replaces batch by batch; `blueGreen` starts a whole new fleet, switches, and keeps the old one warm; `canary` gives the new release a share of the requests first, compares it with fresh instances of the old one, and goes on as `blueGreen`." }),
  batch: key(batch.default(1), { about: "Instances replaced at a time, for `rolling`. A share is rounded down; it is one at least." }),
  surge: key(z.boolean().default(true), { about: "For `rolling`: start the new instances of a batch before the old ones are stopped. `false` needs no room for both, and serves with a batch less meanwhile." }),
  soak: key(duration("0s", "7d").prefault("5m"), { about: "How long the old fleet stays warm, for `blueGreen` and `canary`." }),
  abandonedAfter: key(duration("5s", "7d").prefault("5m"), { about: "Locally: how long what was interrupted, since its command was killed, waits for `resume` or `abort`. Then a deploy is undone, and a rollback or a change of numbers finished, without being asked." }),
  canary: key(canary.prefault({}), { about: "For `canary`: how it is tried." }),
});

/** Without defaults: what an environment leaves out is the app's. */
const rolloutOverride = z.strictObject({
  strategy: key(strategy.optional(), { about: "Instead of the app's." }),
  batch: key(batch.optional(), { about: "Instead of the app's." }),
  surge: key(z.boolean().optional(), { about: "Instead of the app's." }),
  soak: key(duration("0s", "7d").optional(), { about: "Instead of the app's." }),
  abandonedAfter: key(duration("5s", "7d").optional(), { about: "Instead of the app's." }),
  canary: key(canary.optional(), { about: "Instead of the app's, as a whole." }),
});

const serviceOverride = z.strictObject({
  instances: key(instances.optional(), { about: "Instead of the service's own." }),
  scaling: key(z.union([z.literal(false), scaling]).optional(), { about: "Instead of the service's own; `false` for a number that only people change." }),
  environment: key(z.record(variable, z.string()).optional(), { about: "Added to the service's own; the same variable is replaced." }),
  machine: key(machine.optional(), { about: "Instead of the service's own, as a whole." }),
  container: key(container.optional(), { about: "Instead of the service's own, as a whole; or instead of its machines." }),
});

/** What an environment says of a resource, whatever its type; rules/aws.ts knows which type has which key. */
const resourceOverride = z.strictObject({
  url: urlKey,
  machine: key(z.string().regex(/^(db|cache)\.[a-z0-9-]+\.[a-z0-9-]+$/, { error: 'an RDS instance class or an ElastiCache node type, such as "db.t4g.micro"' }).optional(), { about: "Instead of the resource's own." }),
  disk: key(size("20GB", "65536GiB").optional(), { about: "Instead of the resource's own." }),
  diskMax: key(size("20GB", "65536GiB").optional(), { about: "Instead of the resource's own." }),
  memory: key(size("1MB", "1024GiB").optional(), { about: "Instead of the resource's own." }),
  multiZone: key(z.boolean().optional(), { about: "Instead of the resource's own." }),
  backups: key(duration("1d", "35d").optional(), { about: "Instead of the resource's own." }),
  deletionProtection: key(z.boolean().optional(), { about: "Instead of the resource's own." }),
  finalSnapshot: key(z.boolean().optional(), { about: "Instead of the resource's own." }),
});

const hostName = z.string().max(253).regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/, { error: 'a host name in lower case, such as "www.example.com"' });

const domain = z.strictObject({
  name: key(hostName, { about: "The host name that the app answers to.", example: '"www.example.com"' }),
  aliases: key(z.array(hostName).max(9).default([]), { about: "Further host names, of the same zone." }),
  zone: key(z.string().regex(/^Z[A-Z0-9]{3,31}$/, { error: 'the id of a hosted zone, such as "Z0123456789ABCDEFGHIJ"' }).optional(), { about: "The id of the Route 53 zone that the names are in: their records and the certificate's proof are made there." }),
  certificate: key(z.string().regex(/^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate\/[0-9a-f-]+$/, { error: "the ARN of a certificate in ACM" }).optional(), { about: "Use this certificate instead of having one made: for names whose DNS is elsewhere." }),
});

const cidr = z.string().regex(/^(10\.\d{1,3}|172\.(1[6-9]|2\d|3[01])|192\.168)\.\d{1,3}\.0\/(1[6-9]|2[0-2])$/, { error: 'a private IPv4 range from /16 to /22, such as "10.0.0.0/16"' });

const subnetIds = (least: number) =>
  z.array(z.string().regex(/^subnet-([0-9a-f]{8}|[0-9a-f]{17})$/, { error: 'the id of a subnet, such as "subnet-0123456789abcdef0"' })).min(least).max(20);

const subnets = z.strictObject({
  public: key(subnetIds(2), { about: "For the balancer: one in each zone, of two zones at least, with a route to an internet gateway.", example: '["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]' }),
  private: key(subnetIds(2).optional(), { about: "For instances, databases and caches, in zones that the public ones are in: with a way out that is no internet gateway, as a NAT gateway is. Without them all is in the public ones, and each instance has a public address, which lets only the balancer in." }),
});

const network = z.strictObject({
  cidr: key(cidr.default("10.0.0.0/16"), { about: "The addresses of its network." }),
  zones: key(z.literal([2, 3]).default(2), { about: "How many of the region's zones it spreads over." }),
  nat: key(z.enum(["gateway", "instance", "none"]).default("gateway"), { about: "How instances reach the internet. `gateway`: AWS's own, one per zone. `instance`: one small machine for all zones, much cheaper, and a few minutes without it when it fails. `none`: each instance has a public address, which lets only the balancer in." }),
  vpc: key(z.string().regex(/^vpc-([0-9a-f]{8}|[0-9a-f]{17})$/, { error: 'the id of a network, such as "vpc-0123456789abcdef0"' }).optional(), { about: "A network that is there already, in place of one of its own. It is looked at before anything is made, and never changed, tagged or removed: see [AWS](aws.md)." }),
  subnets: key(subnets.optional(), { about: "With `vpc`: which of its subnets are used, and for what." }),
});

const alarms = z.strictObject({
  serverErrors: key(percentage.prefault("2%"), { about: "The share of answers with a status of 500 or above." }),
  clientErrors: key(percentage.prefault("25%"), { about: "The share of answers with a status from 400 to 499." }),
  latency: key(duration("1ms", "1h").prefault("2s"), { about: "One request in twenty takes longer than this." }),
  queueAge: key(duration("100ms", "14d").prefault("15m"), { about: "How long the oldest message of a queue has waited." }),
  databaseCpu: key(percentage.prefault("85%"), { about: "The use of a database's processor." }),
  databaseDisk: key(percentage.prefault("90%"), { about: "How much of a database's disk is used, reckoned by the size it begins with: one that may grow has done so before." }),
  databaseConnections: key(percentage.prefault("80%"), { about: "The share of a database's possible connections that is in use." }),
});

const shared = z.record(variable, z.string()).default({});

const AWS = {
  region: key(z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, { error: 'an AWS region such as "eu-central-1"' }).optional(), { about: "AWS: the region; that of your AWS settings when left out." }),
  account: key(z.string().regex(/^\d{12}$/, { error: "an AWS account's number of 12 digits, as a text" }).optional(), { about: "AWS: the account it must be in. With other credentials nothing is done." }),
  budget: key(z.number().min(0).max(10_000_000).optional(), { about: "AWS: in US dollars a month. A change that would cost more is refused: with every fleet that has `scaling` at its largest, the others as they are configured or `landfall scale` has set them." }),
  domain: key(domain.optional(), { about: "AWS: the app's host name, for HTTPS. Without it the app answers to plain HTTP at a name of AWS's." }),
  network: key(network.prefault({}), { about: "AWS: the network of its own that the environment gets, or one that is there already." }),
  firewall: key(z.boolean().default(false), { about: "AWS: put a web application firewall before the balancer." }),
  notify: key(z.array(z.string().regex(/^(mailto:[^@\s:]+@[^@\s:]+\.[^@\s:]+|https:\/\/[^\s/:]+(:\d+)?\/\S*)$/, { error: 'an address to notify, such as "mailto:team@example.com" or "https://events.example.com/alerts"' })).default([]), { about: "AWS: where alarms are sent. AWS asks e-mail addresses to confirm first." }),
  alarms: key(alarms.prefault({}), { about: "AWS: the thresholds of the alarms." }),
  logs: key(z.strictObject({ keep: key(duration("1h", "3653d").prefault("30d"), { about: "How long logs are kept, in whole days; CloudWatch rounds it up." }) }).prefault({}), { about: "AWS: logs of services, of the balancer and of the network." }),
};

/** The keys of an environment that only mean something on AWS. */
export const AWS_KEYS = Object.keys(AWS) as (keyof typeof AWS)[];

const addressRange = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], { error: 'an IP address or a range of them, such as "127.0.0.1" or "10.0.0.0/8"' });

const environment = z.strictObject({
  target: key(z.enum(["local", "aws"]), { about: "Where the environment runs: on this machine, or in an AWS account." }),
  port: key(z.int().min(0).max(65535).default(0), { about: "Local: where the balancer listens on 127.0.0.1; 0 takes a free one and keeps it." }),
  tls: key(
    z.union([z.literal(false), z.literal("local"), z.strictObject({ certificate: key(z.string(), { about: "A PEM file, with the chain." }), key: key(z.string(), { about: "A PEM file, with the private key." }) })]).default(false),
    { about: 'Local: HTTPS with a certificate of a local authority (`"local"`), or with the given PEM files.' },
  ),
  limits: key(
    z.strictObject({
      body: key(size("1KB", "100GB").prefault("100MB"), { about: "The largest request body." }),
      headerTimeout: key(duration("100ms", "1h").prefault("10s"), { about: "A request's headers must have come by then." }),
      bodyTimeout: key(duration("1s", "7d").prefault("1h"), { about: "A whole request must have come by then, its body included." }),
      idleTimeout: key(duration("100ms", "1d").prefault("1m"), { about: "A connection, or an answer, may be silent for so long." }),
      connections: key(z.int().min(1).max(1_000_000).default(10_000), { about: "Clients connected at once. Further ones are turned away at once." }),
    }).prefault({}),
    { about: "What the balancer accepts." },
  ),
  environment: key(shared, { about: "Variables of all services in this environment, beside the app's. What a service says itself counts more." }),
  trustedProxies: key(z.array(addressRange).max(100).default([]), { about: "Addresses and ranges of proxies in front of the balancer. Of them alone `X-Forwarded-For` is passed on, and locally `-Proto`, `-Host` and their like as well; what anybody else says of that is dropped.", example: '["127.0.0.1"]' }),
  services: key(z.record(name, serviceOverride).default({}), { about: "Per service: what is different in this environment." }),
  resources: key(z.record(name, resourceOverride).default({}), { about: "Per resource: what is different in this environment." }),
  rollout: key(rolloutOverride.optional(), { about: "Instead of the app's." }),
  ...AWS,
});

/** The keys of landfall.config.ts. */
export const appSchema = z.strictObject({
  name: key(name, { about: "The app's name: part of every name Landfall gives.", example: '"guestbook"' }),
  recipe: key(recipe.prefault({}), { about: "What must be on a machine before the app." }),
  services: key(z.record(name, service), { about: "The kinds of process of the app, by name." }),
  environment: key(shared, { about: "Variables of all services, as they are. What a service says itself counts more. Not for secrets." }),
  resources: key(z.record(name, resourceSchema).default({}), { about: "What the services use, by name. The name gives the variables: `database` gives `DATABASE_URL`." }),
  release: key(release.prefault({}), { about: "What happens once per release." }),
  routes: key(z.array(route).default([]), { about: "What the balancer does by path and host; the first that matches and decides counts." }),
  rollout: key(rollout.prefault({}), { about: "How one release takes over from another." }),
  environments: key(z.record(name, environment).prefault({ local: { target: "local" } }), { about: "The environments, by name. Without this key there is one: `local`." }),
});

/** What `defineApp` takes: every key with its default left out if wanted. */
export type AppInput = z.input<typeof appSchema>;
/** The app with every default filled in; durations in milliseconds, sizes in bytes. */
export type App = z.output<typeof appSchema>;
export type { Resource } from "../resources/index.ts";
export type Service = z.output<typeof service>;
export type Container = NonNullable<Service["container"]>;
export type Scaling = NonNullable<Service["scaling"]>;
export type Recipe = z.output<typeof recipe>;
export type Route = z.output<typeof route>;
export type Environment = z.output<typeof environment>;
export type HealthCheck = z.output<typeof health>;
