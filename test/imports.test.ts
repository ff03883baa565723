// Holds the import table of the design: which folder may know which, who touches the system, who writes to the terminal.
// Imports of types alone are erased when compiled and tie nothing together, so only values are held to the table.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { describe, expect, it } from "vitest";

const src = join(dirname(dirname(fileURLToPath(import.meta.url))), "src");

interface Edge {
  from: string;
  /** Relative to src/ for our own files, else the package as written. */
  to: string;
}

/** A part may import its own row and the rows above it. A part is a folder of src/, or a file directly in it. */
const TABLE: string[][] = [
  ["error", "progress", "reports", "system", "config", "state"],
  ["release", "plan", "observe", "scaling"],
  ["rollout"],
  ["targets", "machine"],
  ["rehearse"],
  ["app", "launch"],
  ["index"],
  ["cli", "dashboard"],
];

/**
 * The doors to files, processes and sockets, besides system/ and the targets: the configuration's file, the source's tree and
 * its git history, and the lease, whose lock lives and dies with an open file.
 */
const TOUCHES_SYSTEM = [/^system\//, /^targets\//, /^rehearse\//, /^config\//, /^release\/(source|git)\.ts$/, /^state\/lease\.ts$/];
const SYSTEM_MODULES = ["node:fs", "node:fs/promises", "node:child_process", "node:net"];
/**
 * Supervisor and balancer have no terminal: their stderr is a log file, the last resort when an event could not be recorded. Keeping them
 * alive when that file's disk is full is the system's part.
 */
const WRITES_TO_TERMINAL = [/^cli\/print\//, /(^|[/-])main\.ts$/, /^targets\/local\/(supervisor|balancer)\//, /^system\/processes\.ts$/];

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .sort();
const parsed = new Map(files.map((file) => [file, parseFile(file)]));
const edges = [...parsed.values()].flatMap((file) => file.edges);
const ownEdges = edges.filter(({ to }) => to.endsWith(".ts"));

describe("imports in src/", () => {
  it("finds every file in the table", () => {
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => rowOf(file) === -1)).toEqual([]);
  });

  it("go one way, from the command line down to errors and units", () => {
    expect(show(ownEdges.filter(({ from, to }) => rowOf(to) > rowOf(from)))).toEqual([]);
  });

  it("reach a concrete target from app.ts and launch.ts only, and from a rehearsal, which is both", () => {
    const concrete = (file: string) => /^targets\/([^/]+)\//.exec(file)?.[1];
    // What runs on a machine of AWS must know which routes AWS leaves to it.
    const isShared = (edge: Edge) => edge.from.startsWith("machine/") && edge.to === "targets/aws/routes.ts";
    const outside = ownEdges.filter((edge) => concrete(edge.to) && concrete(edge.from) !== concrete(edge.to) && !isShared(edge));
    expect(show(outside.filter(({ from }) => from !== "app.ts" && from !== "launch.ts" && !from.startsWith("rehearse/")))).toEqual([]);
  });

  it("of scaling lead to the configuration only", () => {
    expect(show(ownEdges.filter(({ from, to }) => from.startsWith("scaling/") && !/^(scaling|config)\//.test(to)))).toEqual([]);
  });

  it("of the command line lead to index.ts and its own folder only", () => {
    expect(show(ownEdges.filter(({ from, to }) => from.startsWith("cli/") && !to.startsWith("cli/") && to !== "index.ts"))).toEqual([]);
  });

  it("of files, processes and sockets stay behind their doors", () => {
    const leaks = edges.filter(({ from, to }) => SYSTEM_MODULES.includes(to) && !TOUCHES_SYSTEM.some((door) => door.test(from)));
    expect(show(leaks)).toEqual([]);
  });

  it("form no cycle", () => {
    expect(findCycle(ownEdges)).toEqual([]);
  });
});

describe("the terminal", () => {
  it("is written to in cli/print, the supervisor and programs' main files only", () => {
    const writers = files.filter((file) => parsed.get(file)?.writes && !WRITES_TO_TERMINAL.some((door) => door.test(file)));
    expect(writers).toEqual([]);
  });
});

describe("the rules themselves", () => {
  it("see static, dynamic and re-exported modules, but no types", () => {
    const text = `import type { A } from "./a.ts"; import { type B } from "./b.ts"; import { c } from "./c.ts";
      export { d } from "./d.ts"; export type { E } from "./e.ts"; const f = await import("./f.ts"); import "node:fs";`;
    expect(listModules("x.ts", text)).toEqual(["./c.ts", "node:fs", "./d.ts", "./f.ts"]);
  });

  it("see a cycle", () => {
    const cycle = findCycle([
      { from: "a.ts", to: "b.ts" },
      { from: "b.ts", to: "c.ts" },
      { from: "c.ts", to: "a.ts" },
    ]);
    expect(cycle).toEqual(["a.ts", "b.ts", "c.ts", "a.ts"]);
  });

  it("see who writes to the terminal", () => {
    expect(["console.log(1)", "process.stdout.write('')", "process.stderr.isTTY", "const { console } = mine;"].map(writesToTerminal)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['const stream = "stdout"; child.stdout.on("data", act);', "// console.log"].map(writesToTerminal)).toEqual([false, false]);
  });
});

function parseFile(file: string): { edges: Edge[]; writes: boolean } {
  const text = readFileSync(join(src, file), "utf8");
  const found = listModules(file, text).map((to) => ({ from: file, to: to.startsWith(".") ? normalize(join(dirname(file), to)) : to }));
  return { edges: found, writes: writesToTerminal(text) };
}

/** The modules that are loaded when this one is, or by an `import()` with a literal in it. */
function listModules(file: string, text: string): string[] {
  const { module } = parseSync(file, text);
  const imports = module.staticImports.filter(({ entries }) => entries.length === 0 || entries.some((entry) => !entry.isType));
  const reexports = module.staticExports.flatMap(({ entries }) => entries.filter((entry) => entry.moduleRequest && !entry.isType));
  const dynamic = module.dynamicImports.map(({ moduleRequest: { start, end } }) => text.slice(start, end)).filter((literal) => /^["']/.test(literal));
  const stated = [...imports, ...reexports].map(({ moduleRequest }) => moduleRequest?.value ?? "");
  return [...new Set([...stated, ...dynamic.map((literal) => literal.slice(1, -1))])];
}

/** Looks at the syntax tree, because words in comments and texts write nothing. */
function writesToTerminal(text: string): boolean {
  const visit = (node: unknown): boolean => {
    if (Array.isArray(node)) return node.some(visit);
    if (typeof node !== "object" || node === null) return false;
    const { type, name, object, property } = node as Record<string, unknown> & { object?: { name?: string }; property?: { name?: string } };
    if (type === "Identifier" && name === "console") return true;
    if (type === "MemberExpression" && object?.name === "process" && /^(stdout|stderr)$/.test(property?.name ?? "")) return true;
    return Object.values(node).some(visit);
  };
  return visit(parseSync("x.ts", text).program.body);
}

function rowOf(file: string): number {
  const part = relative(".", file).split("/")[0]?.replace(/\.ts$/, "") ?? "";
  return TABLE.findIndex((row) => row.includes(part));
}

/** The files of the first cycle met, its first file again at the end; empty when there is none. */
function findCycle(all: Edge[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of all) targets.set(from, [...(targets.get(from) ?? []), to]);
  const done = new Set<string>();
  const walk = (file: string, path: string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return [];
    for (const to of targets.get(file) ?? []) {
      const cycle = walk(to, [...path, file]);
      if (cycle.length > 0) return cycle;
    }
    done.add(file);
    return [];
  };
  for (const file of targets.keys()) {
    const cycle = walk(file, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

const show = (found: Edge[]) => found.map(({ from, to }) => `${from} imports ${to}`);
