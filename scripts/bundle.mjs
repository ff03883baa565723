// Many files made into few, where the number of files is what costs.
//
// The command line: a command would read some 300 files, ours and those of packages, and each costs more than what is in it. What a look at the
// status needs is dist/cli/main.js itself; the rest lies in dist/cli/bundle/. The compiler writes main.js too, so a bundle is never older than it.
//
// The SDK of AWS: what Landfall calls of it, as one file a client beside dist/targets/aws/account/sdk.js. Installed as it is published it has 105 MB, most of
// them types and second builds, which everybody would install who runs an app on one machine alone.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { root } from "./install.mjs";

const src = join(root, "src");
const cli = join(root, "dist", "cli");
const account = join(root, "dist", "targets", "aws", "account");

/** Packages whose code goes into the command line. The others are loaded by few commands, or hold programs for one kind of machine. */
const BUNDLED = ["commander", "croner", "fastest-levenshtein", "ignore", "p-limit", "tar-stream", "zod"];
const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const external = Object.keys(dependencies).filter((name) => !BUNDLED.includes(name));

/** What `landfall status` loads: these and what they import. */
const STATUS = ["cli/main.ts", "cli/commands/status.ts", "index.ts", "targets/local/target.ts", "targets/local/queries/status.ts"].map((file) =>
  join(src, file),
);

/** Writes dist/cli/main.js anew, the code that it loads, and the licences of that code. */
export async function bundleCommandLine() {
  let ofStatus;
  const look = {
    name: "what a look at the status loads",
    buildEnd() {
      ofStatus = closureOf(STATUS, (module) => this.getModuleInfo(module)?.importedIds ?? []);
    },
  };
  const output = await bundle(
    {
      input: join(src, "cli", "main.ts"),
      external: (id) => external.some((name) => id === name || id.startsWith(`${name}/`)),
      plugins: [inPlace, look],
      preserveEntrySignatures: "allow-extension",
    },
    {
      dir: cli,
      entryFileNames: "main.js",
      chunkFileNames: "bundle/[name].js",
      sourcemap: true,
      comments: false,
      codeSplitting: { groups: [{ name: "main", test: (module) => ofStatus.has(module) }], includeDependenciesRecursively: false },
    },
  );
  const folder = join(cli, "bundle");
  removeOthers(folder, output);
  writeLicences(folder, output);
}

/** Writes dist/targets/aws/account/sdk.js anew, the code that it loads, and the licences of that code. */
export async function bundleSdk() {
  rmSync(join(account, "sdk"), { recursive: true, force: true });
  const output = await bundle(
    { input: join(src, "targets", "aws", "account", "sdk.ts") },
    { dir: account, entryFileNames: "sdk.js", chunkFileNames: nameOfClient },
  );
  // It belongs to what the compiler wrote there.
  rmSync(join(account, "sdk.js.map"), { force: true });
  writeLicences(join(account, "sdk"), output);
}

async function bundle(input, output) {
  const made = await rolldown({ ...input, cwd: root, platform: "node", onLog });
  const written = await made.write({ ...output, format: "esm" });
  await made.close();
  return written.output;
}

/** What is in one file with its importer is loaded with it; that is what groups are for. All else that the bundler remarks is a mistake. */
function onLog(_level, { code, message }) {
  if (code !== "INEFFECTIVE_DYNAMIC_IMPORT") throw new Error(message);
}

/** Stands for dist/ until it is known in which file a module ends up. */
const DIST = "dist-of-landfall";

/**
 * A file says where it lies (`import.meta.url`) to find programs and packages. They lie where the compiler put that file. The SDK stays outside, since
 * it is a bundle of its own in a package.
 */
const inPlace = {
  name: "where files lie",
  resolveId: (id) => (id.endsWith("/sdk.ts") ? { id: `${DIST}/targets/aws/account/sdk.js`, external: true } : undefined),
  transform(code, module) {
    if (!module.startsWith(src) || !code.includes("import.meta.url")) return undefined;
    const built = relative(src, module).replace(/\.ts$/, ".js").split(sep).join("/");
    return { code: code.replaceAll("import.meta.url", `new URL("${DIST}/${built}", import.meta.url).href`), map: null };
  },
  renderChunk(code, { fileName }) {
    const dist = fileName.includes("/") ? "../.." : "..";
    return code.includes(DIST) ? { code: code.replaceAll(DIST, dist), map: null } : undefined;
  },
};

/** The modules, and all that is loaded with them. */
function closureOf(modules, importsOf) {
  const found = new Set();
  for (const waiting = [...modules]; waiting.length > 0; ) {
    const module = waiting.pop();
    if (found.has(module)) continue;
    found.add(module);
    waiting.push(...importsOf(module));
  }
  return found;
}

/** What an earlier bundle left. */
function removeOthers(folder, output) {
  mkdirSync(folder, { recursive: true });
  const written = new Set(output.map(({ fileName }) => join(cli, fileName)));
  for (const name of readdirSync(folder)) if (!written.has(join(folder, name))) rmSync(join(folder, name));
}

/** A client's code bears its name. */
const nameOfClient = ({ facadeModuleId }) => `sdk/${/\/@aws-sdk\/(client-[^/]+)\//.exec(facadeModuleId ?? "")?.[1] ?? "[name]"}.js`;

function writeLicences(folder, output) {
  const packages = new Set(output.flatMap(({ moduleIds = [] }) => moduleIds).map(packageOf));
  writeFileSync(join(folder, "LICENSES.txt"), describeLicences([...packages].filter(Boolean).sort()));
}

/** The folder of the package that a module is of; undefined for what is ours or the bundler's. */
const packageOf = (module) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(module.split(sep).join("/"))?.[0];

/** Each text once, with the packages that it is for. */
function describeLicences(packages) {
  const names = new Map();
  for (const path of packages) {
    const { name, version, license } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
    const file = readdirSync(path).find((entry) => /^licen[cs]e\b/i.test(entry));
    const notice = join(path, "NOTICE");
    const text = [file ? readFileSync(join(path, file), "utf8") : license, ...(existsSync(notice) ? [readFileSync(notice, "utf8")] : [])].join("\n");
    names.set(text, [...(names.get(text) ?? []), `${name} ${version}`]);
  }
  return [...names].map(([text, ofPackages]) => `${ofPackages.join("\n")}\n\n${text.trim()}\n`).join(`\n${"-".repeat(80)}\n\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundleCommandLine();
