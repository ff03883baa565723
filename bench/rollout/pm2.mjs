// The same rollout by `pm2 reload`: ten workers of a Node cluster on one port, without a balancer in front.
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, execute, install } from "../cache.mjs";
import { freePort } from "../stage.mjs";

const VERSION = "7.0.4";

function installPm2() {
  const folder = cacheFolder(`pm2-${VERSION}`);
  const program = join(folder, "node_modules", "pm2", "bin", "pm2");
  if (!existsSync(program)) install("npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--omit=optional", `pm2@${VERSION}`);
  return program;
}

/** Starts the cluster. Throws with the reason when that is not possible here. */
export async function openPm2({ base, app, instances, atEnd }) {
  const program = installPm2();
  const folder = join(base, "pm2");
  cpSync(app, folder, { recursive: true });
  adapt(join(folder, "server.js"));
  const port = await freePort();
  const home = join(base, "pm2-home");
  const env = { ...process.env, PM2_HOME: home, PM2_DISABLE_VERSION_CHECK: "true", PORT: String(port), LANDFALL_INSTANCE: "worker" };
  const pm2 = (release, ...words) => execute(process.execPath, [program, ...words], { cwd: folder, env: { ...env, LANDFALL_RELEASE: release } });
  atEnd(() => pm2("", "kill"));
  await pm2("first", "start", "server.js", "--name", "web", "--instances", String(instances), "--kill-timeout", "3000");
  const address = `http://127.0.0.1:${port}`;
  const reload = (parallel) => (release) => pm2(release, "reload", "web", "--update-env", "--parallel", String(parallel));
  return [
    { name: "pm2 reload, one at a time", address, roll: reload(1) },
    { name: "pm2 reload, its default of two", address, roll: reload(2) },
  ];
}

/** pm2 asks with SIGINT, and a worker of a cluster lives on until it lets go of its channel. */
function adapt(file) {
  const text = readFileSync(file, "utf8");
  const adapted = text.replace('process.on("SIGTERM"', 'process.on("SIGINT"').replace("server.close();", "server.close(() => process.exit(0));");
  if (adapted.split("SIGINT").length !== 2 || !adapted.includes("process.exit(0)"))
    throw new Error("the fixture's server is not what pm2.mjs expects");
  writeFileSync(file, adapted);
}
