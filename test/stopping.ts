// What a group of processes says while it is asked to stop, by programs of the kinds that there are. Each suite that runs them proves one
// place of the rule: what has a job in hand finishes it and is asked once, whoever stands before it.

const JOB_MS = 700;
const FINISH = `setTimeout(() => { console.log("done"); process.exit() }, ${JOB_MS})`;

/** Variables that hold Node programs with a job in hand, by how they take the signal. */
export const PROGRAMS = {
  WORKER: `process.on("SIGTERM", () => { console.log("asked"); ${FINISH} }); console.log("up"); setInterval(() => {}, 1000)`,
  /** A second signal ends it. */
  ONCE: `process.once("SIGTERM", () => { console.log("asked"); ${FINISH} }); console.log("up"); setInterval(() => {}, 1000)`,
  /** Knows nothing of signals, and ends with its input. */
  PLAIN: `console.log("up"); process.stdin.resume().on("end", () => { console.log("done"); process.exit() })`,
  /** Waits for its child, which knows nothing of signals. */
  PARENT: `const child = require("child_process").spawn(process.execPath, ["-e", process.env.PLAIN], { stdio: ["pipe", "inherit", "inherit"] });
    process.on("SIGTERM", () => { console.log("asked"); setTimeout(() => child.stdin.end(), ${JOB_MS}) });
    child.on("exit", () => { console.log("gone"); process.exit() })`,
  /** Passes the signal on and does not wait. */
  HASTY: `const child = require("child_process").spawn(process.execPath, ["-e", process.env.ONCE], { stdio: "inherit" });
    process.on("SIGTERM", () => { child.kill(); setTimeout(() => process.exit(1), 50) })`,
  /** Passes the signal on to a child in a group of its own, and waits for it. (`timeout` does so too, but may ask its child twice.) */
  LEAVER: `const child = require("child_process").spawn(process.execPath, ["-e", process.env.WORKER], { stdio: "inherit", detached: true });
    process.on("SIGTERM", () => child.kill()); child.on("exit", () => process.exit())`,
  /** For a shell within a shell. */
  TRAPPED: `trap 'echo bye' TERM; node -e "$WORKER"; :`,
  /** The same without a trap. */
  UNTRAPPED: 'node -e "$WORKER"; echo gone',
};

export interface Case {
  name: string;
  /** For a shell. */
  line: string;
  /** How many of its programs say that they are up before it is asked. */
  ups?: number;
  /** What it says until it has ended; of two programs sorted. */
  says: string[];
}

const OF_SHELLS: Case[] = [
  { name: "a shell that dies of the signal", line: 'node -e "$WORKER"; echo bye', says: ["up", "asked", "done"] },
  { name: "a shell that dies of the signal, before such a parent", line: 'node -e "$PARENT"; echo bye', says: ["up", "asked", "done", "gone"] },
  {
    name: "a shell that waits for its program before it takes the signal",
    line: `trap 'echo bye' TERM; node -e "$WORKER"; :`,
    says: ["up", "asked", "done", "bye"],
  },
  {
    name: "two such shells, one in the other",
    line: `trap 'echo bye' TERM; sh -c "$TRAPPED"; :`,
    says: ["up", "asked", "done", "bye", "bye"],
  },
  {
    name: "a shell without a trap below one that waits",
    line: `trap 'echo bye' TERM; sh -c "$UNTRAPPED"; :`,
    says: ["up", "asked", "done", "gone", "bye"],
  },
  {
    name: "two shells without a trap below one that waits for them in the background",
    line: `trap 'echo bye' TERM; (bash -c "$UNTRAPPED"; :) & wait; wait`,
    says: ["up", "bye", "asked", "done", "gone"],
  },
  { name: "a shell that ignores the signal", line: `trap '' TERM; node -e "$WORKER"; echo bye`, says: ["up", "asked", "done", "bye"] },
  {
    name: "a shell that does job after job by programs that know nothing of signals",
    line: `trap 'last=1' TERM; while [ -z "$last" ]; do echo up; sleep 3 && echo done; done; echo bye`,
    says: ["up", "done", "bye"],
  },
  {
    name: "a shell that passes the signal on itself",
    line: `trap 'kill $child' TERM; node -e "$ONCE" & child=$!; wait; wait; echo bye`,
    says: ["up", "asked", "done", "bye"],
  },
  {
    name: "a shell that passes the signal on and does not wait",
    line: `trap 'kill $child; exit' TERM; node -e "$ONCE" & child=$!; wait`,
    says: ["up", "asked", "done"],
  },
  {
    name: "two programs of a shell",
    line: 'node -e "$WORKER" & node -e "$WORKER" & wait',
    ups: 2,
    says: ["asked", "asked", "done", "done", "up", "up"],
  },
];

const OF_PROGRAMS: Case[] = [
  { name: "a parent that waits for children that know nothing of signals", line: 'exec node -e "$PARENT"', says: ["up", "asked", "done", "gone"] },
  { name: "a parent that passes the signal on and does not wait", line: 'exec node -e "$HASTY"', says: ["up", "asked", "done"] },
  {
    name: "a pipe to a program that knows nothing of signals",
    line: `node -e "$WORKER" | sed -u 's/^/seen /'`,
    says: ["seen up", "seen asked", "seen done"],
  },
  { name: "a program that leaves its group", line: 'exec node -e "$LEAVER"', says: ["up", "asked", "done"] },
  { name: "npx", line: `exec npx -c 'node -e "$WORKER"'`, says: ["up", "asked", "done"] },
  { name: "npx, whose own shell dies of the signal", line: `exec npx -c 'node -e "$WORKER"; echo bye'`, says: ["up", "asked", "done"] },
];

export const SHELLS = ["dash", "bash"];

/** Shells differ in what they do on a signal, so what is about them is tried under each. */
export const CASES: (Case & { shell: string })[] = [
  ...SHELLS.flatMap((shell) => OF_SHELLS.map((one) => ({ ...one, shell }))),
  ...OF_PROGRAMS.map((one) => ({ ...one, shell: "sh" })),
];

/** Of what was said, what the programs above say; of two at once in any order. */
export function saidOf(lines: string[], { ups = 1 }: Case): string[] {
  const said = lines.filter((line) => /^(seen )?(up|asked|done|gone|bye)$/.test(line));
  return ups > 1 ? said.sort() : said;
}
