// What `landfall status` takes beside an empty Node, measured in pairs. npm run build && node bench/status.mjs
import { spawnSync } from "node:child_process";
import { landfall, median, ms, onStage, show, took } from "./stage.mjs";

const PAIRS = 15;

await onStage({}, async ({ folder, run }) => {
  run("commission", "local");
  run("deploy", "local", "--dirty");
  const node = (...words) => took(() => spawnSync(process.execPath, words, { cwd: folder, stdio: "ignore" }));
  const pairs = [];
  await node(landfall, "status", "local");
  for (let pair = 0; pair < PAIRS; pair++) pairs.push({ empty: await node("-e", "0"), status: await node(landfall, "status", "local") });
  const ratio = median(pairs.map(({ empty, status }) => status / empty));
  show(
    "status",
    `${ratio.toFixed(2)} x`,
    `node -e 0: ${ms(median(pairs.map(({ status }) => status)))} / ${ms(median(pairs.map(({ empty }) => empty)))}, median of ${PAIRS} pairs (aim 1.6)`,
  );
});
