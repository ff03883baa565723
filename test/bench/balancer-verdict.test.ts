// What the comparison of balancers concludes from its figures.
import { describe, expect, it } from "vitest";

const { judge, summarise } = await import(new URL("../../bench/balancer/verdict.mjs", import.meta.url).href);

interface Figures {
  rate: number;
  p99Ms?: number;
  coreShare?: number;
  failed?: number;
  isLate?: boolean;
}

const round = ({ rate, p99Ms = 1, coreShare = 0.99, failed = 0, isLate = false }: Figures) => ({
  saturated: { rate, failed: 0, coreShare, loadCoreShare: 0.5 },
  steady: { asked: rate / 2, reached: rate / 2, p50Ms: 0.2, p99Ms, late: isLate, failed, loadCoreShare: 0.5 },
});

const judged = (figures: Record<string, Figures>) =>
  judge(Object.fromEntries(Object.entries(figures).map(([name, own]) => [name, summarise([round(own)])])));
const verdicts = (figures: Record<string, Figures>) => judged(figures).map(({ against, verdict }: Record<string, string>) => `${against} ${verdict}`);

const even = {
  landfall: { rate: 600, p99Ms: 1.5 },
  traefik: { rate: 599, p99Ms: 3 },
  caddy: { rate: 300, p99Ms: 3 },
  nginx: { rate: 900, p99Ms: 1 },
  haproxy: { rate: 1_000, p99Ms: 1.1 },
};

describe("the verdict on balancers", () => {
  it("meets the aims at their bounds, the last against the fastest answers", () => {
    expect(verdicts(even)).toEqual(["traefik met", "caddy met", "haproxy met", "nginx met"]);
  });

  it("misses each below its bound", () => {
    const slower = { ...even, landfall: { rate: 599, p99Ms: 1.6 }, caddy: { rate: 700, p99Ms: 3 } };
    expect(verdicts(slower)).toEqual(["traefik missed", "caddy missed", "haproxy missed", "nginx missed"]);
  });

  it("takes the median of the rounds", () => {
    expect(summarise([1, 9, 2].map((rate) => round({ rate }))).rate).toEqual({ median: 2, least: 1, most: 9 });
  });

  it("doubts a rate that was not the limit of its balancer, and times under a load that was late", () => {
    const unsound = { ...even, haproxy: { ...even.haproxy, coreShare: 0.7 }, landfall: { ...even.landfall, isLate: true } };
    expect(verdicts(unsound)).toEqual(["traefik met", "caddy met", "haproxy in doubt", "nginx in doubt"]);
  });

  it("doubts all that failed requests are part of", () => {
    expect(verdicts({ ...even, caddy: { ...even.caddy, failed: 1 } })[1]).toBe("caddy in doubt");
  });

  it("judges nothing beside what is missing", () => {
    const { landfall, nginx } = even;
    expect(verdicts({ landfall, nginx })).toEqual(["traefik not judged", "caddy not judged", "haproxy not judged", "nginx met"]);
    expect(verdicts({ landfall })[3]).toBe("the best not judged");
  });
});
