// A constant load from a process of its own: so many requests a second, whether or not the ones before were answered, each answer
// checked. Sends what it counted when it is told to stop.
import { Pool } from "undici";

const [address, perSecond, pattern] = process.argv.slice(2);
const expected = new RegExp(pattern);
const pool = new Pool(address, { connections: 32, headersTimeout: 10_000, bodyTimeout: 10_000 });
const lost = {};
const times = [];
const begun = performance.now();
const underWay = new Set();
let sent = 0;

const lose = (reason) => {
  lost[reason] = (lost[reason] ?? 0) + 1;
};

async function ask() {
  const from = performance.now();
  try {
    const { statusCode, body } = await pool.request({ method: "GET", path: "/" });
    const text = await body.text();
    if (statusCode !== 200 || !expected.test(text)) lose(`${statusCode} ${text.slice(0, 60)}`);
  } catch (error) {
    lose(error.code ?? error.message);
  }
  times.push(performance.now() - from);
}

// A late timer makes up for what it missed, so that a busy machine gets no easier load.
const timer = setInterval(() => {
  for (const due = ((performance.now() - begun) / 1000) * Number(perSecond); sent < due; sent++) {
    const asking = ask().finally(() => underWay.delete(asking));
    underWay.add(asking);
  }
}, 2);

process.once("message", async () => {
  clearInterval(timer);
  await Promise.all(underWay);
  await pool.close();
  times.sort((a, b) => a - b);
  process.send({ done: sent, lost, p99: times[Math.floor(times.length * 0.99)], slowest: times.at(-1) }, () => process.disconnect());
});
