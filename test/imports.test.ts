// Holds the table of ARCHITECTURE.md: which folder may import which. Beside it, who touches the system and who writes to the terminal.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { type Program, parseSync, Visitor } from "oxc-parser";
import { describe, expect, it } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const src = join(root, "src");

interface Edge {
  from: string;
  /** Relative to src/ for our own files, else the package as written. */
  to: string;
  /** Erased when compiled: only types are imported. */
  isOfTypes: boolean;
}

/** A row of the table. Paths are relative to src/. */
interface Row {
  paths: string[];
  allowed: string[];
}

/**
 * The doors to files, processes and sockets, besides system/ and the targets: the configuration's file, the source's tree and
 * its git history, and the lease, whose lock lives and dies with an open file.
 */
const TOUCHES_SYSTEM = [/^system\//, /^targets\//, /^rehearse\//, /^config\//, /^release\/(source|git)\.ts$/, /^state\/lease\.ts$/];
const SYSTEM_MODULES = ["node:fs", "node:fs/promises", "node:child_process", "node:net"];
/**
 * Supervisor, balancer and their like have no terminal: their stderr is a log file, the last resort when an event could not be recorded. Keeping them
 * alive when that file's disk is full is the system's part.
 */
const WRITES_TO_TERMINAL = [
  /^cli\/print\//,
  /(^|[/-])main\.ts$/,
  /^targets\/local\/(supervisor|keeper|log-writer|balancer|object-server)\//,
  /^targets\/local\/processes\/(process|stop)-tree\.ts$/,
  /^system\/processes\.ts$/,
];

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .sort();
const programs = new Map(files.map((file) => [file, parse(readFileSync(join(src, file), "utf8"))]));
const edges = [...programs].flatMap(([file, program]) => edgesOf(file, program));
const ownEdges = edges.filter(({ to }) => to.endsWith(".ts"));
const table = parseTable(readFileSync(join(root, "ARCHITECTURE.md"), "utf8"));

describe("the table of ARCHITECTURE.md", () => {
  it("has a row for every file", () => {
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => !rowOf(table, file))).toEqual([]);
  });

  it("names only what is there", () => {
    const named = table.flatMap(({ paths, allowed }) => [...paths, ...allowed]);
    expect(named.filter((path) => !files.some((file) => covers(path, file)))).toEqual([]);
  });

  it("allows every import, also of types alone", () => {
    expect(show(forbiddenBy(table, ownEdges))).toEqual([]);
  });

  it("goes from the bottom up: a row imports rows above it", () => {
    expect(show(upwardIn(table, ownEdges))).toEqual([]);
  });

  it("allows nothing that no file imports", () => {
    expect(unusedIn(table, ownEdges)).toEqual([]);
  });
});

describe("imports in src/", () => {
  it("of files, processes and sockets stay behind their doors", () => {
    const leaks = edges.filter(
      ({ from, to, isOfTypes }) => !isOfTypes && SYSTEM_MODULES.includes(to) && !TOUCHES_SYSTEM.some((door) => door.test(from)),
    );
    expect(show(leaks)).toEqual([]);
  });

  it("form no cycle, also by types", () => {
    expect(findCycle(ownEdges)).toEqual([]);
  });
});

describe("the terminal", () => {
  it("is written to in cli/print, the supervisor and programs' main files only", () => {
    const writers = [...programs].filter(([file, program]) => writesToTerminal(program) && !WRITES_TO_TERMINAL.some((door) => door.test(file)));
    expect(writers.map(([file]) => file)).toEqual([]);
  });
});

describe("the rules themselves", () => {
  const small = parseTable(`## Folders

| folder | what it is for | may import |
|---|---|---|
| \`src/text/\`, \`src/key.ts\` | texts | nothing |
| \`src/targets/*.ts\` | contracts | \`text\` |
| \`src/targets/aws/\` | AWS | \`targets/*.ts\`, \`key\`, \`text/units.ts\`, \`aws/deep\` |
| \`src/targets/aws/deep/\` | a room of it | \`targets/aws\` |

## Another

| \`src/other/\` | not of the table | nothing |
`);
  const forbidden = (from: string, to: string) => forbiddenBy(small, [{ from, to, isOfTypes: false }]).length > 0;

  it.each([
    ["targets/target.ts", "text/a.ts"],
    ["targets/aws/target.ts", "targets/target.ts"],
    ["targets/aws/target.ts", "key.ts"],
    ["targets/aws/target.ts", "text/units.ts"],
    ["targets/aws/target.ts", "targets/aws/deep/a.ts"],
    ["targets/aws/deep/a.ts", "targets/aws/other/b.ts"],
    ["text/a.ts", "key.ts"],
  ])("allow %s to import %s", (from, to) => {
    expect(forbidden(from, to)).toBe(false);
  });

  it.each([
    ["text/a.ts", "targets/target.ts"],
    ["targets/target.ts", "targets/aws/target.ts"],
    ["targets/aws/target.ts", "text/mask.ts"],
    ["targets/aws/deep/a.ts", "text/a.ts"],
    ["targets/aws/deep/a.ts", "key.ts"],
    ["other/a.ts", "text/a.ts"],
    ["targets/target.ts", "texts/a.ts"],
  ])("forbid %s to import %s", (from, to) => {
    expect(forbidden(from, to)).toBe(true);
  });

  it("see what is allowed and not done", () => {
    expect(unusedIn(small, [{ from: "targets/aws/a.ts", to: "key.ts", isOfTypes: true }])).toEqual([
      "targets/*.ts may import text, and does not",
      "targets/aws/ may import targets/*.ts, and does not",
      "targets/aws/ may import text/units.ts, and does not",
      "targets/aws/ may import targets/aws/deep, and does not",
      "targets/aws/deep/ may import targets/aws, and does not",
    ]);
  });

  it("see a row that imports one below it", () => {
    const edge = (from: string, to: string) => ({ from, to, isOfTypes: true });
    const upward = edge("targets/aws/a.ts", "targets/aws/deep/b.ts");
    expect(upwardIn(small, [upward, edge("targets/aws/deep/b.ts", "targets/aws/a.ts"), edge("text/a.ts", "text/b.ts")])).toEqual([upward]);
  });

  it("take no row that says more than paths", () => {
    expect(() => parseTable("## Folders\n\n| `src/a/` | a | `b`, and the above |\n")).toThrow("and the above");
  });

  it("see modules however they are imported, and which only for types", () => {
    const text = `import type { A } from "./a.ts"; import { type B } from "./b.ts"; import { c, type C } from "./c.ts"; import "node:fs";
      export { d } from "./d.ts"; export * from "./e.ts"; export type { F } from "./f.ts"; const g = await import("./g.ts");
      type H = import("./h.ts").H;`;
    expect(modulesOf(parse(text))).toEqual([
      { to: "./a.ts", isOfTypes: true },
      { to: "./b.ts", isOfTypes: true },
      { to: "./c.ts", isOfTypes: false },
      { to: "node:fs", isOfTypes: false },
      { to: "./d.ts", isOfTypes: false },
      { to: "./e.ts", isOfTypes: false },
      { to: "./f.ts", isOfTypes: true },
      { to: "./g.ts", isOfTypes: false },
      { to: "./h.ts", isOfTypes: true },
    ]);
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
    const writers = ["console.log(1)", "process.stdout.write('')", "process.stderr.isTTY", "const { console } = mine;"];
    expect(writers.filter((text) => !writesToTerminal(parse(text)))).toEqual([]);
    const others = ['const stream = "stdout"; child.stdout.on("data", act);', "// console.log"];
    expect(others.filter((text) => writesToTerminal(parse(text)))).toEqual([]);
  });
});

/** The rows under "Folders": what is in backticks in their first column may import what is in backticks in the last. */
function parseTable(markdown: string): Row[] {
  const section = /^## Folders$([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(markdown)?.[1] ?? "";
  return [...section.matchAll(/^\| (`src\/[^|]*) \|.*\| ([^|]+) \|$/gm)].map(([, paths = "", allowed = ""]) => {
    if (allowed !== "nothing" && !/^`[^`]+`(, `[^`]+`)*$/.test(allowed))
      throw new TypeError(`a row may import paths in backticks, or nothing: ${allowed}`);
    const fullPath = (path: string) => path.replace(/^src\//, "").replace(/^(aws|local)\//, "targets/$1/");
    return { paths: inBackticks(paths).map(fullPath), allowed: inBackticks(allowed).map(fullPath) };
  });
}

function inBackticks(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, path = ""]) => path);
}

/** `a/` and `a` have all that is in that folder, `a` the file a.ts too, `a/*.ts` the files directly in it. */
function covers(path: string, file: string): boolean {
  if (path.endsWith("/*.ts")) return dirname(file) === dirname(path);
  return file === path || file === `${path}.ts` || file.startsWith(path.endsWith("/") ? path : `${path}/`);
}

/** The row whose path says most of the file. */
function rowOf(rows: Row[], file: string): Row | undefined {
  const lengthIn = ({ paths }: Row) => Math.max(0, ...paths.filter((path) => covers(path, file)).map((path) => path.replace("*.ts", "").length));
  const [best] = rows.filter((row) => lengthIn(row) > 0).sort((one, other) => lengthIn(other) - lengthIn(one));
  return best;
}

function forbiddenBy(rows: Row[], imports: Edge[]): Edge[] {
  return imports.filter(({ from, to }) => {
    const row = rowOf(rows, from);
    return !row || (row !== rowOf(rows, to) && !row.allowed.some((path) => covers(path, to)));
  });
}

function upwardIn(rows: Row[], imports: Edge[]): Edge[] {
  const placeOf = (file: string) => {
    const row = rowOf(rows, file);
    return row ? rows.indexOf(row) : -1;
  };
  return imports.filter(({ from, to }) => placeOf(to) > placeOf(from));
}

function unusedIn(rows: Row[], imports: Edge[]): string[] {
  const between = imports.map(({ from, to }) => ({ from: rowOf(rows, from), to })).filter(({ from, to }) => from !== rowOf(rows, to));
  return rows.flatMap((row) => {
    const unused = row.allowed.filter((path) => !between.some(({ from, to }) => from === row && covers(path, to)));
    return unused.map((path) => `${row.paths.join(", ")} may import ${path}, and does not`);
  });
}

function parse(text: string): Program {
  return parseSync("x.ts", text).program;
}

function edgesOf(file: string, program: Program): Edge[] {
  const resolve = (to: string) => (to.startsWith(".") ? normalize(join(dirname(file), to)) : to);
  return modulesOf(program).map(({ to, isOfTypes }) => ({ from: file, to: resolve(to), isOfTypes }));
}

/** The modules that this one names: loaded with it, loaded by an `import()` with a literal in it, or asked for their types. */
function modulesOf(program: Program): Omit<Edge, "from">[] {
  const found: Omit<Edge, "from">[] = [];
  const add = (source: unknown, isOfTypes: boolean) => {
    const to = (source as { value?: unknown } | null)?.value;
    if (typeof to === "string") found.push({ to, isOfTypes });
  };
  const areTypes = (kinds: (string | undefined)[]) => kinds.length > 0 && kinds.every((kind) => kind === "type");
  new Visitor({
    ImportDeclaration: ({ source, importKind, specifiers }) =>
      add(source, importKind === "type" || areTypes(specifiers.map((one) => ("importKind" in one ? one.importKind : undefined)))),
    ExportNamedDeclaration: ({ source, exportKind, specifiers }) =>
      add(source, exportKind === "type" || areTypes(specifiers.map((one) => one.exportKind))),
    ExportAllDeclaration: ({ source, exportKind }) => add(source, exportKind === "type"),
    ImportExpression: ({ source }) => add(source, false),
    TSImportType: ({ source }) => add(source, true),
  }).visit(program);
  return found;
}

/** Looks at the syntax tree, because words in comments and texts write nothing. */
function writesToTerminal(program: Program): boolean {
  let writes = false;
  new Visitor({
    Identifier: ({ name }) => {
      if (name === "console") writes = true;
    },
    MemberExpression: ({ object, property }) => {
      if (object.type === "Identifier" && object.name === "process" && property.type === "Identifier" && /^(stdout|stderr)$/.test(property.name))
        writes = true;
    },
  }).visit(program);
  return writes;
}

/** The files of the first cycle met, its first file again at the end; empty when there is none. */
function findCycle(all: Pick<Edge, "from" | "to">[]): string[] {
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
