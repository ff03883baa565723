// A rolling deploy of ten instances beside its limit: the app's own start and stop, once per wave, measured in the same run.
// npm run build && node bench/rollout.mjs
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { openEnvironment } from "../dist/index.js";
import { measureApp, median, ms, onStage, show, took } from "./stage.mjs";

const INSTANCES = 10;
const ALONE = 5;

await onStage({ instances: INSTANCES }, async ({ folder, run }) => {
  run("commission", "local");
  run("deploy", "local", "--dirty");
  const alone = [];
  const measure = async () => {
    for (let time = 0; time < ALONE; time++) alone.push(await measureApp(folder));
  };
  await measure();
  appendFileSync(join(folder, "server.js"), "// another release\n");
  const steps = {};
  const emit = ({ type, text, durationMs = 0 }) => {
    if (type === "finished") steps[text.split(/ (?=\w+\.\d)/)[0]] = (steps[text.split(/ (?=\w+\.\d)/)[0]] ?? 0) + durationMs;
  };
  const environment = await openEnvironment("local", { folder, emit });
  const whole = await took(() => environment.deploy({ dirty: true }));
  await measure();

  const start = median(alone.map((app) => app.start));
  const stop = median(alone.map((app) => app.stop));
  const limit = INSTANCES * (start + stop);
  show(
    "rollout",
    `${(whole / limit).toFixed(2)} x`,
    `its limit: ${ms(whole)} / ${ms(limit)}, ${INSTANCES} waves of start ${ms(start)} and stop ${ms(stop)} (aim 1.15)`,
  );
  const described = Object.entries(steps).map(([step, time]) => `${step} ${ms(time)}`);
  console.log(`  of which: ${described.join(", ")}; the rest ${ms(whole - Object.values(steps).reduce((sum, time) => sum + time, 0))}`);
});
