// From nothing to the first 200 through the balancer on a warm machine: commission and deploy, beside the app's own start.
// npm run build && node bench/commission.mjs
import { measureApp, median, ms, onStage, show, took } from "./stage.mjs";

const ROUNDS = 3;
const rounds = [];
for (let round = 0; round < ROUNDS; round++) {
  await onStage({}, async ({ folder, run }) => {
    const app = (await measureApp(folder)).start;
    const commission = await took(() => run("commission", "local"));
    let address = "";
    const deploy = await took(() => {
      address = run("deploy", "local", "--dirty").trim().split("\n").at(-1);
    });
    const first = await took(async () => {
      const { status } = await fetch(address);
      if (status !== 200) throw new Error(`${address} answered ${status}`);
    });
    rounds.push({ app, commission, deploy, whole: commission + deploy + first });
  });
}
const of = (name) => median(rounds.map((round) => round[name]));
const ratio = median(rounds.map(({ whole, app }) => whole / app));
show(
  "commission",
  `${ratio.toFixed(1)} x`,
  `the app's start alone: ${ms(of("whole"))} to the first 200 / ${ms(of("app"))} (commission ${ms(of("commission"))}, deploy ${ms(of("deploy"))}), median of ${ROUNDS}`,
);
