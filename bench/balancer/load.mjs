// The two loads: as much as a balancer takes, by wrk, and a constant rate whatever it takes, by fortio. Both on kept connections.
import { get } from "node:http";
import { get as getSecurely } from "node:https";
import { setTimeout } from "node:timers/promises";
import { runOn } from "./processes.mjs";

const SATURATING_CONNECTIONS = 64;
/**
 * Each has a schedule of its own and makes up for what it missed. An answer that takes longer than the pause between two requests of a
 * connection would hold up the next unseen; the more connections, the longer the pause.
 */
const STEADY_CONNECTIONS = 128;
/** The first and the last pause of each connection are not full. */
const REACHED_SHARE = 0.95;
const HISTOGRAM_SECONDS = "0.00001";

/** Requests a second when the next is sent as soon as the one before is answered. */
export async function saturate({ core, wrk, address, seconds }) {
  const text = await runOn(core, [wrk, "-t1", `-c${SATURATING_CONNECTIONS}`, `-d${seconds}s`, address]);
  const [, ...broken] = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text) ?? [];
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0;
  return { rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]), failed: [refused, ...broken].reduce((sum, count) => sum + Number(count), 0) };
}

/** Times of answers when so many requests a second are due. `late` says that the schedule was not kept, so that the times are too short. */
export async function sendSteadily({ core, fortio, address, authorityFile, seconds, rate }) {
  const asked = Math.round(rate);
  const trust = address.startsWith("https") ? ["-cacert", authorityFile] : [];
  const words = ["-quiet", "-uniform", "-r", HISTOGRAM_SECONDS, "-p", "50,99", "-json", "-", "-c", `${STEADY_CONNECTIONS}`];
  const text = await runOn(core, [fortio, "load", ...words, ...trust, "-qps", `${asked}`, "-t", `${seconds}s`, address]);
  const { ActualQPS: reached, DurationHistogram: times, RetCodes: answers } = JSON.parse(text);
  const millisecondsAt = (percentile) => times.Percentiles.find((one) => one.Percentile === percentile).Value * 1_000;
  const p99Ms = millisecondsAt(99);
  const late = reached < REACHED_SHARE * asked || p99Ms > (1_000 * STEADY_CONNECTIONS) / asked;
  return { asked, reached, p50Ms: millisecondsAt(50), p99Ms, late, failed: times.Count - (answers["200"] ?? 0) };
}

const ANSWERS_WITHIN_MS = 10_000;

/** Throws unless the balancer comes to give the upstream's answer, by HTTPS over TLS 1.3. Some listen before they know their rules. */
export async function awaitAnswer(expected) {
  for (const until = Date.now() + ANSWERS_WITHIN_MS; ; await setTimeout(100)) {
    const trouble = await checkAnswer(expected).catch((error) => error.message);
    if (trouble === undefined) return;
    if (Date.now() > until) throw new Error(trouble);
  }
}

async function checkAnswer({ address, authority, body }) {
  const isSecure = address.startsWith("https");
  const answer = await new Promise((resolve, reject) => {
    const asking = isSecure ? getSecurely(address, { ca: authority, agent: false }) : get(address, { agent: false });
    asking.once("error", reject).once("response", resolve);
  });
  const protocol = isSecure ? answer.socket.getProtocol() : undefined;
  const text = Buffer.concat(await answer.toArray()).toString();
  if (answer.statusCode !== 200 || text !== body) return `${address} answered ${answer.statusCode} ${JSON.stringify(text.slice(0, 80))}`;
  return isSecure && protocol !== "TLSv1.3" ? `${address} speaks ${protocol}` : undefined;
}
