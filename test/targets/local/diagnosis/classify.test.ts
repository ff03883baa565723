import { describe, expect, it } from "vitest";
import { appSchema } from "../../../../src/config/schema.ts";
import {
  type Answer,
  classify,
  classifyWindow,
  type FaultKind,
  type Look,
  type Observations,
} from "../../../../src/targets/local/diagnosis/classify.ts";
import type { Exit } from "../../../../src/targets/local/supervisor/api.ts";

const health = appSchema.parse({ name: "app", services: { web: { command: "web", port: 8080, health: { startupTimeout: "30s" } } } }).services.web
  ?.health;
const PORT = 20_001;

const refused: Answer = { kind: "refused" };
const answered = (status: number, body = ""): Answer => ({ kind: "answered", status, passed: status < 300, body });

interface Scene extends Partial<Omit<Observations, "attempts" | "looks">> {
  /** What is answered from that second on. */
  answers?: [fromSecond: number, answer: Answer][];
  /** What the group does from that second on. */
  looks?: [fromSecond: number, look: Partial<Look>][];
}

/** Looked at four times a second until `nowMs`. */
function observe({ answers = [], looks, nowMs = 0, ...rest }: Scene): Observations {
  const times = Array.from({ length: Math.floor(nowMs / 250) + 1 }, (_, index) => index * 250);
  const at = <T>(all: [number, T][], ms: number) => all.findLast(([from]) => from * 1_000 <= ms)?.[1];
  return {
    nowMs,
    health,
    port: PORT,
    configuredPort: 8080,
    exits: [],
    countsMemoryKills: true,
    lines: [],
    attempts: times.flatMap((atMs) => at(answers, atMs) ?? []).map((answer, index) => ({ answer, atMs: index * 250 })),
    looks: looks ? times.map((atMs) => ({ listens: [], busyMs: 0, processes: 2, news: 0, ...at(looks, atMs), atMs })) : [],
    ...rest,
  };
}

/** The first moment, in quarters of a second, at which there is a verdict; and the verdict. */
function watch(scene: Scene & { untilMs?: number }): string {
  for (let nowMs = 0; nowMs <= (scene.untilMs ?? 60_000); nowMs += 250) {
    const verdict = classify(observe({ ...scene, nowMs }));
    if (verdict) return `${verdict === "healthy" ? verdict : verdict.kind} after ${nowMs / 1_000} s`;
  }
  return "none";
}

const on = (host: string, port: number, passes?: boolean): Partial<Look> => ({ listens: [{ host, port, passes }] });
const own = on("127.0.0.1", PORT);

describe("what is answered", () => {
  it.each<[name: string, scene: Scene, verdict: string]>([
    ["well", { answers: [[0, answered(200)]] }, "healthy after 0 s"],
    [
      "well in the end",
      {
        answers: [
          [0, refused],
          [3, answered(500)],
          [6, answered(404)],
          [9, answered(200)],
        ],
        looks: [
          [0, {}],
          [3, own],
        ],
      },
      "healthy after 9 s",
    ],
    [
      "500 for ever",
      {
        answers: [
          [0, refused],
          [1, answered(500)],
        ],
        looks: [
          [0, {}],
          [1, own],
        ],
      },
      "status after 6 s",
    ],
    ["500, where nothing can be seen", { answers: [[0, answered(500)]] }, "status after 5 s"],
    ["404 for ever", { answers: [[0, answered(404)]], looks: [[0, own]] }, "status after 5 s"],
    ["401 for ever", { answers: [[0, answered(401)]], looks: [[0, own]] }, "status after 1 s"],
    ["302 for ever", { answers: [[0, answered(302)]], looks: [[0, own]] }, "status after 1 s"],
    [
      "500 with a counter",
      {
        answers: [
          [0, answered(500, "try 1")],
          [1, answered(500, "try 22")],
        ],
        looks: [[0, own]],
      },
      "status after 5 s",
    ],
    [
      "500 of a password",
      { answers: [[0, answered(500, 'password authentication failed for user "a"')]], looks: [[0, own]] },
      "resourceRefused after 1 s",
    ],
    ["500 of a server", { answers: [[0, answered(500, "connect ECONNREFUSED 127.0.0.1:5432")]], looks: [[0, own]] }, "resourceUnreachable after 5 s"],
    ["503 for ever", { answers: [[0, answered(503)]], looks: [[0, own]] }, "status after 40.25 s"],
    [
      "503 for most of the time",
      {
        answers: [
          [0, answered(503)],
          [29, answered(200)],
        ],
        looks: [[0, own]],
      },
      "healthy after 29 s",
    ],
    ["nothing", { answers: [[0, { kind: "silent" }]], looks: [[0, own]] }, "timedOut after 40.25 s"],
    [
      "well after the deadline",
      {
        answers: [
          [0, refused],
          [33, answered(200)],
        ],
        looks: [[0, {}]],
      },
      "slowStart after 33 s",
    ],
    ["no HTTP", { answers: [[0, { kind: "notHttp", text: "Parse Error" }]], looks: [[0, own]] }, "notHttp after 5 s"],
    [
      "closed at first",
      {
        answers: [
          [0, { kind: "closed" }],
          [4, answered(200)],
        ],
        looks: [[0, own]],
      },
      "healthy after 4 s",
    ],
    [
      "this and that",
      {
        answers: [
          [0, answered(500)],
          [39.5, answered(502)],
        ],
        looks: [[0, own], ...news(0, 40)],
      },
      "neverPassed after 40.25 s",
    ],
    ["secrets", { answers: [[0, { ...answered(200), leaks: { secrets: ["KEY"], variables: [] } } as Answer]] }, "leaks after 0 s"],
    ["by someone else", { answers: [[0, { ...answered(200), foreign: { pid: 1, group: 1, command: "x" } } as Answer]] }, "foreignAnswer after 1 s"],
    [
      "by someone else at first",
      {
        answers: [
          [0, { ...answered(200), foreign: { pid: 1, group: 1, command: "x" } } as Answer],
          [0.5, answered(200)],
        ],
      },
      "healthy after 0.5 s",
    ],
  ])("%s", (_name, scene, verdict) => {
    expect(watch(scene)).toBe(verdict);
  });
});

/** Something new in the log each second. */
function news(from: number, to: number): [number, Partial<Look>][] {
  return Array.from({ length: to - from }, (_, index) => [from + index, { ...own, news: index }]);
}

describe("500 is waited for while the group", () => {
  it.each<[name: string, looks: [number, Partial<Look>][]]>([
    ["says something new", news(0, 20)],
    ["works", Array.from({ length: 80 }, (_, index) => [index / 4, { ...own, busyMs: index * 100 }])],
    ["starts processes", Array.from({ length: 20 }, (_, index) => [index, { ...own, processes: index }])],
    ["opens ports", Array.from({ length: 20 }, (_, index) => [index, on("127.0.0.1", 30_000 + index)])],
  ])("%s", (_name, looks) => {
    expect(watch({ answers: [[0, answered(500)]], looks, untilMs: 20_000 })).toBe("none");
  });
});

describe("where it listens", () => {
  const answers: Scene["answers"] = [[0, refused]];
  it.each<[name: string, scene: Scene, verdict: string]>([
    ["nowhere", { answers, looks: [[0, {}]] }, "notListening after 40.25 s"],
    [
      "on another port, and well",
      {
        answers,
        looks: [
          [0, {}],
          [2, on("127.0.0.1", 3_000, true)],
        ],
      },
      "wrongPort after 3 s",
    ],
    [
      "on the configuration's port",
      {
        answers,
        looks: [
          [0, {}],
          [2, on("0.0.0.0", 8080)],
        ],
      },
      "wrongPort after 3 s",
    ],
    ["on a metrics port", { answers, looks: [[0, on("127.0.0.1", 9_090, false)]] }, "wrongPort after 40.25 s"],
    [
      "on a metrics port first",
      {
        answers: [
          [0, refused],
          [20, answered(200)],
        ],
        looks: [[0, on("127.0.0.1", 9_090, false)]],
      },
      "healthy after 20 s",
    ],
    ["on another port, still working", { answers, looks: [[0, on("127.0.0.1", 3_000, true)], ...busy(8)] }, "wrongPort after 9 s"],
    [
      "on IPv6 only",
      {
        answers,
        looks: [
          [0, {}],
          [2, on("::1", PORT)],
        ],
      },
      "wrongAddress after 3 s",
    ],
    [
      "on IPv6 first",
      {
        answers: [
          [0, refused],
          [2.5, answered(200)],
        ],
        looks: [
          [0, {}],
          [2, on("::1", PORT)],
        ],
      },
      "healthy after 2.5 s",
    ],
  ])("%s", (_name, scene, verdict) => {
    expect(watch(scene)).toBe(verdict);
  });

  function busy(seconds: number): [number, Partial<Look>][] {
    return Array.from({ length: seconds * 4 + 1 }, (_, index) => [index / 4, { ...on("127.0.0.1", 3_000, true), busyMs: index * 200 }]);
  }
});

describe("what it says again and again", () => {
  const answers: Scene["answers"] = [[0, refused]];
  const say = (line: string, count = 40) => Array.from({ length: count }, (_, index) => ({ atMs: index * 250, line: `${index} ${line}` }));
  const only = (scene: Scene, untilMs = 9_500) => {
    for (let nowMs = 0; nowMs <= untilMs; nowMs += 250) {
      const verdict = classify(observe({ ...scene, nowMs, lines: scene.lines?.filter(({ atMs }) => atMs <= nowMs) }));
      if (verdict) return `${verdict === "healthy" ? verdict : verdict.kind} after ${nowMs / 1_000} s`;
    }
    return "none";
  };
  it.each<[name: string, scene: Scene, verdict: string]>([
    ["of a server", { lines: say("connect ECONNREFUSED 127.0.0.1:5432") }, "resourceUnreachable after 5 s"],
    ["of a password", { lines: say("WRONGPASS invalid username-password pair") }, "resourceRefused after 5 s"],
    ["of a setting", { lines: say("SENTRY_DSN is not set") }, "none"],
    ["of a server, listening already", { lines: say("connect ECONNREFUSED 127.0.0.1:8125"), looks: [[0, on("127.0.0.1", 9_090)]] }, "none"],
    [
      "for a while",
      {
        lines: say("connect ECONNREFUSED 127.0.0.1:5432", 16),
        answers: [
          [0, refused],
          [4.5, answered(200)],
        ],
      },
      "healthy after 4.5 s",
    ],
  ])("%s", (_name, scene, verdict) => {
    expect(only({ answers, looks: [[0, {}]], ...scene })).toBe(verdict);
  });
});

describe("how it ended", () => {
  const exit = (parts: Partial<Exit>, ...lastLines: string[]): Exit => ({ at: 1, lastLines, ...parts });
  it.each<[name: string, exit: Exit, kind: FaultKind]>([
    ["status 1", exit({ code: 1 }, "TypeError: x is not a function"), "crashed"],
    ["status 0", exit({ code: 0 }, "done"), "ended"],
    ["status 126", exit({ code: 126 }, "/bin/sh: 1: ./start: Permission denied"), "commandNotExecutable"],
    ["status 127", exit({ code: 127 }, "/bin/sh: 1: start: not found"), "commandNotFound"],
    ["a command of its own was not found", exit({ code: 1 }, "sh: 1: convert: not found"), "crashed"],
    ["SIGSEGV", exit({ signal: "SIGSEGV" }, "STRIPE_KEY is not set"), "crashed"],
    ["SIGKILL", exit({ signal: "SIGKILL" }), "crashed"],
    ["the kernel's SIGKILL", exit({ signal: "SIGKILL", outOfMemory: true }), "outOfMemory"],
    [
      "SIGABRT of V8",
      exit({ signal: "SIGABRT" }, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"),
      "outOfMemory",
    ],
    ["a variable", exit({ code: 1 }, "KeyError: 'STRIPE_KEY'"), "variableMissing"],
    ["a full disk", exit({ code: 1 }, "OSError: [Errno 28] No space left on device"), "diskFull"],
    ["a port", exit({ code: 1 }, "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000"), "portInUse"],
  ])("%s", (_name, one, kind) => {
    expect(classify(observe({ exits: [one] }))).toMatchObject({ kind });
  });

  it("SIGKILL, where the kernel does not count, may well be for memory", () => {
    expect(classify(observe({ exits: [exit({ signal: "SIGKILL" })], countsMemoryKills: false }))).toMatchObject({ kind: "outOfMemory" });
  });

  it("once because its own port was taken is no verdict, twice is one", () => {
    const taken = exit({ code: 1 }, `Error: listen EADDRINUSE: address already in use 127.0.0.1:${PORT}`);
    expect(classify(observe({ exits: [taken] }))).toBeUndefined();
    expect(classify(observe({ exits: [taken, taken] }))).toMatchObject({ kind: "portInUse" });
  });
});

describe("a worker", () => {
  it.each<[name: string, looks: [number, Partial<Look>][], verdict: string]>([
    ["at rest has settled after a second", [[0, {}]], "healthy after 1 s"],
    ["that is loading is watched longer", loading(3), "healthy after 3.5 s"],
    ["that works without end has settled in the end", loading(9), "healthy after 5 s"],
  ])("%s", (_name, looks, verdict) => {
    expect(watch({ health: undefined, looks })).toBe(verdict);
  });

  function loading(seconds: number): [number, Partial<Look>][] {
    return Array.from({ length: seconds * 4 + 1 }, (_, index) => [index / 4, { busyMs: index * 250 }]);
  }
});

it("the end is judged by an attempt that was made after it", () => {
  const seen = observe({ answers: [[0, refused]], looks: [[0, {}]], nowMs: 40_250 });
  expect(classify(seen)).toMatchObject({ kind: "notListening" });
  expect(classify({ ...seen, attempts: seen.attempts.slice(0, -2) })).toBeUndefined();
});

it("what was refused before it listened is no part of the end", () => {
  const attempts = [refused, refused, answered(501)].map((answer, index) => ({ answer, atMs: 20_000 + index * 10_100 }));
  expect(classify({ ...observe({ looks: [[0, own]], nowMs: 40_250 }), attempts })).toMatchObject({ kind: "status" });
});

describe("the window after it was healthy", () => {
  const exit = (code: number): Exit => ({ at: 1, code, lastLines: [] });
  const HICCUP: Scene["answers"] = [
    [0, answered(200)],
    [3, answered(500)],
    [3.5, answered(200)],
  ];

  it.each<[name: string, scene: Scene, verdict: string]>([
    ["passes when nothing happens", { answers: [[0, answered(200)]] }, "steady after 5 s"],
    ["begins anew after a failed check", { answers: HICCUP }, "steady after 8.25 s"],
    [
      "ends with as many failures in a row as the balancer allows",
      {
        answers: [
          [0, answered(200)],
          [2, answered(500)],
        ],
      },
      "lost after 2.5 s",
    ],
    ["ends with the process", { answers: [[0, answered(200)]], exits: [exit(3)] }, "crashed after 0 s"],
    ["ends with the process, however well that ended", { answers: [[0, answered(200)]], exits: [exit(0)] }, "ended after 0 s"],
    ["of a worker is its running on", { health: undefined }, "steady after 5 s"],
    ["of a worker ends with it", { health: undefined, exits: [exit(0)] }, "ended after 0 s"],
    [
      "is not passed by what someone else answers",
      { answers: [[0, { kind: "answered", status: 200, passed: true, body: "", foreign: { pid: 1, group: 1, command: "x" } }]] },
      "lost after 0.5 s",
    ],
    [
      "is not open for ever",
      {
        answers: Array.from({ length: 60 }, (_, second): [number, Answer] => [second, answered(second % 2 === 0 ? 200 : 500)]),
        health: health && { ...health, unhealthyAfter: 10 },
      },
      "lost after 35.25 s",
    ],
  ])("%s", (_, scene, expected) => {
    const verdicts = Array.from({ length: 240 }, (_, quarter) => {
      const verdict = classifyWindow(observe({ ...scene, nowMs: quarter * 250 }), 5_000);
      return verdict && `${verdict === "steady" ? verdict : verdict.kind} after ${quarter / 4} s`;
    });
    expect(verdicts.find(Boolean)).toBe(expected);
  });
});
