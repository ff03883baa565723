// Buckets by a public list of tests, https://github.com/ceph/s3-tests, which only GitHub has. What of it fails is known with its reason, in
// s3-tests.txt: it ends with 1 when anything passes or fails otherwise than that file says. npx jiti bench/s3-tests.ts <checkout>
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { present } from "../src/error.ts";
import { ensurePython } from "../test/python.ts";
import { makeEnvironment } from "../test/targets/local/resources/environment.ts";

const COMMIT = "8f0ae7b404a3a2fcf7038bf1e6bf29544fe9b6a3";
const PACKAGES = "pytest==9.2.0 pytest-xdist==3.8.0 boto3==1.44.8 httplib2==0.32.1 isodate==0.7.2 lxml==6.1.3".split(" ");
const MORE_PACKAGES = "munch==4.0.0 pytz==2026.6 PyYAML==6.0.4 requests==2.34.2".split(" ");
/** Kinds of tests that are left out as a whole: what a bucket on this machine does not offer, and what S3 itself does otherwise. */
const LEFT_OUT = [
  ...["versioning", "delete_marker", "object_lock", "lifecycle", "lifecycle_expiration", "lifecycle_transition", "storage_class"],
  ...["bucket_policy", "object_ownership", "bucket_logging", "bucket_logging_cleanup", "s3website", "s3select", "cloud_transition"],
  ...["cloud_restore", "encryption", "bucket_encryption", "sse_s3", "appendobject", "auth_aws2", "fails_on_aws", "abac_test"],
  ...["iam_account", "iam_role", "iam_user", "iam_tenant", "iam_cross_account", "user_policy", "role_policy", "group_policy", "session_policy"],
];
const checkout = process.argv[2] ?? "";

if (spawnSync("git", ["-C", checkout, "rev-parse", "HEAD"], { encoding: "utf8" }).stdout.trim() !== COMMIT)
  throw new Error(`"${checkout}" is no checkout of github.com/ceph/s3-tests at ${COMMIT}`);
const environment = makeEnvironment();
try {
  const { resources } = await environment.bringUp({ files: { type: "bucket" } });
  const settings = join(environment.home, "s3.conf");
  writeFileSync(
    settings,
    describeServer((name) => environment.variable(present(resources[0], "bucket that was asked for"), name)),
  );
  const outcomes = await run(settings);
  const lines = readFileSync(new URL("s3-tests.txt", import.meta.url), "utf8").split("\n");
  const known = new Set(lines.filter((line) => /^\w/.test(line)));
  const failed = [...outcomes].flatMap(([name, isPassed]) => (isPassed ? [] : [name]));
  const news = [
    ...failed.filter((name) => !known.has(name)).map((name) => `fails, and no reason is known: ${name}`),
    ...[...known].filter((name) => outcomes.get(name) !== false).map((name) => `is known to fail, and does not: ${name}`),
  ];
  console.log([...news, `${outcomes.size} tests: ${outcomes.size - failed.length} passed, ${failed.length} failed`].join("\n"));
  process.exitCode = news.length > 0 || outcomes.size <= known.size ? 1 : 0;
} finally {
  await environment.remove();
}

/** One user under all the names that the tests have for users: there are no others. */
function describeServer(variable: (name: string) => string): string {
  const { hostname, port } = new URL(variable("AWS_ENDPOINT_URL"));
  const user = [
    ...["display_name = landfall", "user_id = landfall", "email = landfall@example.com", "tenant = none"],
    `api_name = ${variable("AWS_REGION")}`,
    `access_key = ${variable("AWS_ACCESS_KEY_ID")}`,
    `secret_key = ${variable("AWS_SECRET_ACCESS_KEY")}`,
  ];
  const users = ["s3 main", "s3 alt", "s3 tenant", "iam", "iam root", "iam alt root"].flatMap((name) => [`[${name}]`, ...user]);
  const server = ["[DEFAULT]", `host = ${hostname}`, `port = ${port}`, "is_secure = False", "[fixtures]", "bucket prefix = s3-{random}-"];
  return [...server, ...users, ""].join("\n");
}

/** The outcome of each test by its name: whether it passed. */
async function run(settings: string): Promise<Map<string, boolean>> {
  const files = ["test_s3.py", "test_headers.py"].map((file) => join("s3tests", "functional", file));
  const options = ["-m", "pytest", ...files, "-m", `not (${LEFT_OUT.join(" or ")})`, "-n", "4", "-q", "-rA", "--tb=no", "-p", "no:cacheprovider"];
  const env = { PATH: process.env.PATH, S3TEST_CONF: settings, COLUMNS: "500", PYTHONDONTWRITEBYTECODE: "1" };
  const child = spawn(ensurePython([...PACKAGES, ...MORE_PACKAGES]), options, { cwd: checkout, env, stdio: ["ignore", "pipe", "inherit"] });
  const [printed] = await Promise.all([text(child.stdout), once(child, "exit")]);
  const lines = [...printed.matchAll(/^(PASSED|FAILED|ERROR) \S+?::(\w+)(\[\S*\])?/gm)];
  const failed = new Set(lines.flatMap(([, outcome, name]) => (outcome === "PASSED" ? [] : [name])));
  return new Map(lines.map(([, , name = ""]) => [name, !failed.has(name)]));
}
