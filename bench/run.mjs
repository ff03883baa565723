// Runs every measurement, one after the other, so that none disturbs another. npm run bench [names...]
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const ALL = ["status", "commission", "rollout", "balancer", "synth"];
const wanted = process.argv.slice(2);
for (const name of wanted.length > 0 ? wanted : ALL) {
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL(`${name}.mjs`, import.meta.url))], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
