// Measures how the source is built, beside what it aims at. With --check it says only which bounds are broken, and fails then: those are
// the figures that hold already and must not get worse.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { parseSync, Visitor } from "oxc-parser";
import { root } from "./install.mjs";

/** Names that say nothing of what they hold. */
const PRONOUNS = new Set(
  "one other another it own all both each some any found wanted said given known gone done told made these those them".split(" "),
);

const src = join(root, "src");
const files = readdirSync(src, { recursive: true })
  .filter((name) => name.endsWith(".ts"))
  .sort();
const measured = files.map(measureFile);
const lines = sum(measured.map((file) => file.lines));
const functions = measured.flatMap((file) => file.functions);
const sizes = functions.map(({ lines }) => lines).sort((one, other) => one - other);
const values = edgesOf("values");
const types = edgesOf("types");
const tests = new Set(readdirSync(join(root, "test"), { recursive: true }).filter((name) => name.endsWith(".test.ts")));
const names = measured.flatMap((file) => file.names);

/** `holds` bounds what must not get worse; `aim` is where it should come to. */
const FIGURES = [
  { what: "lines", value: lines },
  { what: "functions: median of lines", value: sizes[Math.floor(sizes.length / 2)], aim: 10 },
  { what: "functions: 95 % have at most", value: sizes[Math.floor(sizes.length * 0.95)], aim: 30 },
  { what: "functions: most lines", value: sizes.at(-1), aim: 60, holds: 60, of: longest() },
  { what: "functions with more than 3 parameters", value: functions.filter(({ parameters }) => parameters > 3).length, aim: 30, holds: 23 },
  { what: "casts by `as`, per 1,000 lines", value: round((1000 * sum(measured.map(({ casts }) => casts))) / lines), aim: 5, holds: 2.6 },
  { what: "files in a cycle of imports", value: knots(values, (file) => file).flat().length, aim: 0, holds: 0 },
  { what: "files in a cycle of imports, types included", ...cycles(types, (file) => file), aim: 0, holds: 0 },
  { what: "first folders in a cycle, types included", ...cycles(types, (file) => file.split("/")[0]), aim: 0, holds: 0 },
  { what: "folders of a target in a cycle", ...cycles(values.filter(isWithinTarget), (file) => dirname(file)), aim: 0, holds: 0 },
  { what: "longest chain of imports", value: longestChain(values), aim: 18, holds: 17 },
  { what: "most files in a folder", ...fullestFolder(), aim: 15, holds: 22 },
  { what: "files with a test of the same name, %", value: round((100 * files.filter(hasTest).length) / files.length), aim: 60, atLeast: true },
  {
    what: "names that are pronouns or participles, %",
    value: round((100 * names.filter((name) => PRONOUNS.has(name)).length) / names.length),
    aim: 1,
    holds: 1,
  },
];

if (process.argv.includes("--check")) {
  for (const { what, value, holds } of FIGURES.filter(({ value, holds }) => value > holds)) {
    console.error(`${what}: ${value}, at most ${holds} may be`);
    process.exitCode = 1;
  }
} else
  for (const { what, value, aim, atLeast, of = "" } of FIGURES) {
    const mark = aim === undefined || (atLeast ? value >= aim : value <= aim) ? " " : "!";
    console.log(
      `${mark} ${what.padEnd(46)} ${String(value).padStart(8)}  ${aim === undefined ? "" : `aim ${atLeast ? "≥" : "≤"} ${aim}`.padEnd(9)} ${of}`,
    );
  }

function measureFile(file) {
  const text = readFileSync(join(src, file), "utf8");
  const { module, program } = parseSync(file, text);
  const lineAt = lineNumbers(text);
  const found = { file, lines: text.split("\n").length - 1, functions: [], casts: 0, names: [], ...importsOf(file, module) };
  const isFunction = ({ params, body, start, end }) => {
    if (body?.type === "BlockStatement") found.functions.push({ file, lines: lineAt(end) - lineAt(start) + 1, parameters: params.length });
    for (const param of params) addNames(param);
  };
  const addNames = (pattern) => found.names.push(...namesOf(pattern));
  new Visitor({
    FunctionDeclaration: isFunction,
    FunctionExpression: isFunction,
    ArrowFunctionExpression: isFunction,
    VariableDeclarator: ({ id }) => addNames(id),
    TSAsExpression: ({ typeAnnotation }) => {
      if (typeAnnotation.typeName?.name !== "const") found.casts += 1;
    },
  }).visit(program);
  return found;
}

/** The names that a pattern binds. */
function namesOf(pattern) {
  if (pattern.type === "Identifier") return [pattern.name];
  if (pattern.type === "AssignmentPattern") return namesOf(pattern.left);
  if (pattern.type === "RestElement") return namesOf(pattern.argument);
  if (pattern.type === "ArrayPattern") return pattern.elements.flatMap((element) => (element ? namesOf(element) : []));
  if (pattern.type === "ObjectPattern") return pattern.properties.flatMap((property) => namesOf(property.value ?? property));
  return [];
}

function importsOf(file, module) {
  const own = (request) => (request?.startsWith(".") ? [normalize(join(dirname(file), request))] : []);
  const statements = [
    ...module.staticImports.map(({ entries, moduleRequest }) => ({ entries, request: moduleRequest.value })),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.filter((entry) => entry.moduleRequest).map((entry) => ({ entries: [entry], request: entry.moduleRequest.value })),
    ),
  ];
  const isOfValues = ({ entries }) => entries.length === 0 || entries.some((entry) => !entry.isType);
  return {
    values: statements.filter(isOfValues).flatMap(({ request }) => own(request)),
    types: statements.flatMap(({ request }) => own(request)),
  };
}

function lineNumbers(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

function edgesOf(kind) {
  return measured.flatMap((file) => file[kind].filter((to) => to.endsWith(".ts")).map((to) => ({ from: file.file, to })));
}

function isWithinTarget({ from, to }) {
  const target = /^targets\/[^/]+\//.exec(from)?.[0];
  return target !== undefined && to.startsWith(target);
}

function cycles(edges, roomOf) {
  const found = knots(edges, roomOf);
  return { value: found.flat().length, of: found.map((knot) => knot.join(" ")).join(" | ") };
}

/** The strongly connected parts with more than one room, by Tarjan's algorithm. */
function knots(edges, roomOf) {
  const targets = new Map();
  for (const { from, to } of edges) {
    if (roomOf(from) === roomOf(to)) continue;
    targets.set(roomOf(from), (targets.get(roomOf(from)) ?? new Set()).add(roomOf(to)));
  }
  const [index, low, stack, found] = [new Map(), new Map(), [], []];
  const visit = (room) => {
    index.set(room, index.size);
    low.set(room, index.get(room));
    stack.push(room);
    for (const to of targets.get(room) ?? []) {
      if (!index.has(to)) visit(to);
      if (stack.includes(to)) low.set(room, Math.min(low.get(room), low.get(to)));
    }
    if (low.get(room) !== index.get(room)) return;
    const knot = stack.splice(stack.indexOf(room));
    if (knot.length > 1) found.push(knot.sort());
  };
  for (const room of targets.keys()) if (!index.has(room)) visit(room);
  return found;
}

function longestChain(edges) {
  const known = new Map();
  const lengthFrom = (file) => {
    if (!known.has(file)) {
      const imported = edges.filter(({ from }) => from === file);
      known.set(file, 1 + Math.max(0, ...imported.map(({ to }) => lengthFrom(to))));
    }
    return known.get(file);
  };
  return Math.max(...files.map(lengthFrom));
}

function fullestFolder() {
  const counts = new Map();
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  const [folder, value] = [...counts].sort(([, one], [, other]) => other - one)[0];
  return { value, of: folder };
}

function longest() {
  const { file } = functions.reduce((most, candidate) => (candidate.lines > most.lines ? candidate : most));
  return file;
}

function hasTest(file) {
  return (
    tests.has(file.replace(/\.ts$/, ".test.ts")) || (basename(file) === "index.ts" && existsSync(join(root, "test", `${dirname(file)}.test.ts`)))
  );
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

function round(number) {
  return Math.round(number * 10) / 10;
}
