// Detects the kind of app in a folder and its start commands. Reads files and runs nothing.
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { LandfallError } from "../error.ts";
import type { AppInput } from "./schema.ts";

export type AppKind = "procfile" | "django" | "flask" | "rails" | "node" | "dockerfile";

export interface DetectedApp {
  kind: AppKind;
  /** What it was recognised by: `package.json with a start script`. */
  because: string;
  /** The app as `defineApp` takes it. */
  app: AppInput;
  /** What whoever reads the configuration has to know, and it cannot say. */
  notes: string[];
}

type Found = { because: string; app: Omit<AppInput, "name">; notes?: string[] };

/** The files of one folder. A file that is not there has no text. */
interface Folder {
  has(name: string): boolean;
  text(name: string): string;
}

const PYTHON_NEEDS = ["requirements.txt", "pyproject.toml", "Pipfile"];

/** In this order: what says most plainly how the app is started comes first. */
const RECOGNISERS: [AppKind, (folder: Folder) => Found | undefined][] = [
  ["procfile", recogniseProcfile],
  ["django", recogniseDjango],
  ["flask", recogniseFlask],
  ["rails", recogniseRails],
  ["node", recogniseNode],
  ["dockerfile", recogniseDockerfile],
];

/**
 * Says what kind of app stands in `folder` and how Landfall would start it. Changes nothing.
 * Errors: APP_NOT_RECOGNIZED, with the files that were looked for.
 *
 * @example detectApp(".").because // "package.json with a start script"
 */
export function detectApp(folder: string): DetectedApp {
  const path = resolve(folder);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw notRecognised(path, `"${folder}" is not a folder`, []);
  const files = readFolder(path);
  for (const [kind, recognise] of RECOGNISERS) {
    const recognised = recognise(files);
    if (!recognised) continue;
    const { because, app, notes = [] } = recognised;
    return { kind, because, app: { name: appName(path, files), ...app }, notes: [...notes, ...(usesSqlite(files) ? [SQLITE] : [])] };
  }
  throw notRecognised(path, `nothing that Landfall knows how to start in "${path}"`, nearMisses(files));
}

const SQLITE = "The folder of a release is read-only: keep the SQLite file in the folder that the variable LANDFALL_DATA names, which stays.";

/** Files that say so, by their usual names. */
const SQLITE_SAID_IN = [...PYTHON_NEEDS, "package.json", "Gemfile", "config/database.yml", "prisma/schema.prisma"];

const usesSqlite = (folder: Folder): boolean =>
  [...SQLITE_SAID_IN, djangoSettings(folder) ?? ""].some((name) => name !== "" && /sqlite/i.test(folder.text(name)));

/** The file of a Django project's settings. */
function djangoSettings(folder: Folder): string | undefined {
  const name = settingsModule(folder);
  return name && `${name.replaceAll(".", "/")}.py`;
}

const settingsModule = (folder: Folder) => /DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']/.exec(folder.text("manage.py"))?.[1];

function readFolder(path: string): Folder {
  return {
    has: (name) => existsSync(join(path, name)),
    text: (name) => {
      try {
        return readFileSync(join(path, name), "utf8");
      } catch {
        return "";
      }
    },
  };
}

/** The package's name if it has one, else the folder's, as far as names allow. */
function appName(path: string, folder: Folder): string {
  const { name } = packageOf(folder);
  const declared = typeof name === "string" && name ? name.replace(/^@[^/]*\//, "") : basename(path);
  return serviceName(declared) || "app";
}

const serviceName = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 31)
    .replace(/-+$/, "");

interface PackageJson {
  name?: unknown;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
}

/** A package.json that cannot be parsed recognises nothing; npm says what is wrong with it. */
function packageOf(folder: Folder): PackageJson {
  try {
    const parsed: unknown = JSON.parse(folder.text("package.json"));
    return typeof parsed === "object" && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

const NODE_INSTALLS = [
  { lock: "package-lock.json", all: "npm ci", lean: "npm ci --omit=dev", run: "npm run" },
  { lock: "npm-shrinkwrap.json", all: "npm ci", lean: "npm ci --omit=dev", run: "npm run" },
  { lock: "pnpm-lock.yaml", all: "pnpm install --frozen-lockfile", lean: "pnpm install --frozen-lockfile --prod", run: "pnpm run" },
  { lock: "yarn.lock", all: "yarn install --frozen-lockfile", lean: "yarn install --frozen-lockfile --production", run: "yarn run" },
];

function recogniseNode(folder: Folder): Found | undefined {
  const { start } = packageOf(folder).scripts ?? {};
  if (typeof start !== "string" || !start.trim()) return undefined;
  const { run, ...preparation } = nodePreparation(folder);
  // Without a shell and a script runner between, the stop signal reaches the program itself.
  const command = /^node [^;&|]+$/.test(start.trim()) ? `exec ${start.trim()}` : `exec ${run} start`;
  return { because: "package.json with a start script", app: { ...preparation, services: { web: { command, port: 3000 } } } };
}

function nodePreparation(folder: Folder): Pick<AppInput, "recipe" | "release"> & { run: string } {
  const { scripts = {}, dependencies = {} } = packageOf(folder);
  const install = NODE_INSTALLS.find(({ lock }) => folder.has(lock));
  const run = install?.run ?? "npm run";
  const builds = typeof scripts.build === "string";
  const release = builds ? { release: { build: [`${run} build`] } } : {};
  if (install) return { run, recipe: { files: ["package.json", install.lock], steps: [builds ? install.all : install.lean] }, ...release };
  if (Object.keys(dependencies).length === 0 && !builds) return { run };
  return { run, recipe: { files: ["package.json"], steps: [builds ? "npm install" : "npm install --omit=dev"] }, ...release };
}

/** Everything the app says it needs, whichever of the usual files says it. */
const pythonNeeds = (folder: Folder) => PYTHON_NEEDS.map((name) => folder.text(name)).join("\n");
const needs = (folder: Folder, packageName: string) => new RegExp(`(^|["'\\s])${packageName}\\b(?!-)`, "im").test(pythonNeeds(folder));

function pythonRecipe(folder: Folder): Pick<AppInput, "recipe"> {
  if (!folder.has("requirements.txt")) return {};
  return {
    recipe: {
      packages: ["python3-venv"],
      files: ["requirements.txt"],
      steps: ["python3 -m venv .venv", ".venv/bin/pip install --no-cache-dir -r requirements.txt"],
    },
  };
}

const pythonIn = (folder: Folder) => (folder.has("requirements.txt") ? ".venv/bin/" : "");
const pythonOf = (folder: Folder) => (folder.has("requirements.txt") ? ".venv/bin/python" : "python3");
const pythonDatabase = (folder: Folder): Pick<AppInput, "resources"> =>
  /psycopg|asyncpg|pg8000/i.test(pythonNeeds(folder)) ? { resources: { database: { type: "postgres" } } } : {};

function recogniseDjango(folder: Folder): Found | undefined {
  const settings = settingsModule(folder);
  if (settings === undefined) return undefined;
  const [project = ""] = settings.split(".");
  const python = pythonOf(folder);
  const command = needs(folder, "gunicorn")
    ? `exec ${pythonIn(folder)}gunicorn --bind $HOST:$PORT ${project}.wsgi`
    : `exec ${python} manage.py runserver --noreload $HOST:$PORT`;
  const collects = /^\s*STATIC_ROOT\s*=/m.test(folder.text(djangoSettings(folder) ?? ""));
  const release = {
    ...(collects ? { build: [`${python} manage.py collectstatic --noinput`] } : {}),
    expand: `${python} manage.py migrate --noinput`,
  };
  return {
    because: "manage.py of a Django project",
    app: { ...pythonRecipe(folder), ...pythonDatabase(folder), services: { web: { command, port: 8000 } }, release },
  };
}

function recogniseFlask(folder: Folder): Found | undefined {
  const file = ["wsgi", "app"].find((name) => folder.has(`${name}.py`));
  if (!file || !needs(folder, "flask")) return undefined;
  const variable = /^(app|application)\s*=/m.exec(folder.text(`${file}.py`))?.[1] ?? "app";
  const command = needs(folder, "gunicorn")
    ? `exec ${pythonIn(folder)}gunicorn --bind $HOST:$PORT ${file}:${variable}`
    : `exec ${pythonOf(folder)} -m flask --app ${file} run --host $HOST --port $PORT`;
  return {
    because: `${file}.py and flask among the requirements`,
    app: { ...pythonRecipe(folder), ...pythonDatabase(folder), services: { web: { command, port: 8000 } } },
  };
}

const hasGem = (folder: Folder, name: string) => new RegExp(`^\\s*gem\\s+["']${name}["']`, "m").test(folder.text("Gemfile"));

function recogniseRails(folder: Folder): Found | undefined {
  if (!hasGem(folder, "rails") || !folder.has("bin/rails")) return undefined;
  const secrets = folder.has("config/credentials.yml.enc") ? { secrets: ["RAILS_MASTER_KEY"] } : {};
  const web = {
    command: "exec bin/rails server --binding $HOST --port $PORT",
    port: 3000,
    health: { path: folder.text("config/routes.rb").includes("rails/health#show") ? "/up" : "/" },
    environment: { RAILS_ENV: "production" },
    ...secrets,
  };
  const assets = folder.has("app/assets") ? { build: ["SECRET_KEY_BASE_DUMMY=1 RAILS_ENV=production bin/rails assets:precompile"] } : {};
  return {
    because: "bin/rails and rails in the Gemfile",
    app: {
      ...rubyRecipe(folder),
      ...(hasGem(folder, "pg") ? { resources: { database: { type: "postgres" } } } : {}),
      services: { web },
      release: { ...assets, expand: "RAILS_ENV=production bin/rails db:migrate" },
    },
  };
}

const rubyRecipe = (folder: Folder): Pick<AppInput, "recipe"> => ({
  recipe: { files: ["Gemfile", "Gemfile.lock"].filter((name) => folder.has(name)), steps: ["BUNDLE_PATH=vendor/bundle bundle install"] },
});

/** What must not run twice, by the names that are usual for it, each a part of the process's name. */
const SINGLETON_NAMES = /(^|-)(clock|clockwork|(celery|rq|resque|task|job)?(beat|scheduler)|cron(d|tab|jobs?)?)(-|$)/;
/** And by what is run: programs that hand out work at certain times, and files that are called so. */
const SINGLETON_PROGRAMS = [
  /\bcelery\b[^|;&]*\s(beat|-B|--beat)(\s|$)/,
  /\b(clockwork|resque:scheduler|rqscheduler|runapscheduler|schedule:work|crond|supercronic|yacron)(\s|$)/,
  /\b(airflow\s+scheduler|cron\s+-f)\b/,
  /(^|[\s/])(clock|scheduler|beat|cron)\.(js|cjs|mjs|ts|py|rb|php)(\s|$)/,
];

const isSingleton = (name: string, command: string): boolean =>
  SINGLETON_NAMES.test(name) || SINGLETON_PROGRAMS.some((program) => program.test(command));

interface ProcessLine {
  /** As it is written. */
  type: string;
  command: string;
}

function recogniseProcfile(folder: Folder): Found | undefined {
  const lines = [...folder.text("Procfile").matchAll(/^([A-Za-z0-9_-]+):[ \t]*(\S.*?)\s*$/gm)].map(([, type = "", command = ""]) => ({
    type,
    command,
  }));
  const isRelease = ({ type }: ProcessLine) => serviceName(type) === "release";
  const { services, notes } = servicesOf(lines.filter((line) => !isRelease(line)));
  if (Object.keys(services).length === 0) return undefined;
  const expand = lines.filter(isRelease).map(({ command }) => command);
  const { release: prepared, ...preparation } = procfilePreparation(folder);
  const release = { ...prepared, ...(expand.length > 0 ? { expand: expand.join(" && ") } : {}) };
  return { because: "Procfile", app: { ...preparation, services, ...(Object.keys(release).length ? { release } : {}) }, notes };
}

/** A name that another process would have too is numbered, so that none of them is lost; whose name is as it is written keeps it. */
function servicesOf(lines: ProcessLine[]): Pick<AppInput, "services"> & { notes: string[] } {
  const names = lines.map(({ type }) => serviceName(type) || "process");
  const services: AppInput["services"] = {};
  const notes: string[] = [];
  for (const [index, { type, command }] of lines.entries()) {
    const wanted = names[index] ?? "";
    const name = names.indexOf(wanted) === index ? wanted : numbered(wanted, [...names, ...Object.keys(services)]);
    services[name] = procfileService(name, command);
    if (name !== wanted) notes.push(`"${type}" of the Procfile is the service "${name}", since "${wanted}" is another one.`);
    else if (!serviceName(type)) notes.push(`"${type}" of the Procfile is the service "${name}": the names of services begin with a letter.`);
  }
  return { services, notes };
}

/** Of at most 31 characters, as all. */
function numbered(name: string, taken: readonly string[]): string {
  let number = 2;
  const next = () => `${name.slice(0, 30 - String(number).length).replace(/-+$/, "")}-${number}`;
  while (taken.includes(next())) number++;
  return next();
}

function procfileService(name: string, command: string): AppInput["services"][string] {
  if (name === "web") return { command, port: 5000 };
  return isSingleton(name, command) ? { command, singleton: true } : { command };
}

/** A Procfile says what is started, not what must be installed before. */
function procfilePreparation(folder: Folder): Pick<AppInput, "recipe" | "release"> {
  if (folder.has("package.json")) {
    const { run: _, ...preparation } = nodePreparation(folder);
    return preparation;
  }
  if (!folder.has("requirements.txt")) return folder.has("Gemfile") ? rubyRecipe(folder) : {};
  const { recipe } = pythonRecipe(folder);
  return { recipe };
}

function recogniseDockerfile(folder: Folder): Found | undefined {
  const stage = lastStage(folder.text("Dockerfile"));
  const words = [...(instruction(stage, "ENTRYPOINT") ?? []), ...(instruction(stage, "CMD") ?? [])];
  if (words.length === 0) return undefined;
  const command = words.join(" ");
  const port = Number(/^EXPOSE\s+(\d+)/im.exec(stage)?.[1]);
  const isWeb = port >= 1 && port <= 65535;
  const service = { command, ...(isWeb ? { port } : {}), ...(!isWeb && isSingleton("", command) ? { singleton: true } : {}) };
  const base = /^(?:--\S+\s+)*(\S+)/.exec(stage.trim())?.[1];
  return {
    because: "Dockerfile with a CMD",
    app: { ...procfilePreparation(folder), services: { [isWeb ? "web" : "worker"]: { ...service, container: { dockerfile: "Dockerfile" } } } },
    notes: [
      `On AWS the image of the Dockerfile runs. Locally its command is a plain process: what it has from "${base}" has to be on this machine, or in a recipe.`,
    ],
  };
}

/** Only the last stage's instructions reach the container. Continued lines become one. */
const lastStage = (text: string) =>
  text
    .replace(/^\s*#.*$/gm, "")
    .replace(/\\\r?\n/g, " ")
    .split(/^FROM\s/im)
    .at(-1) ?? "";

/** The words of the last such instruction; the shell form stays one piece of shell. */
function instruction(stage: string, name: string): string[] | undefined {
  const argument = [...stage.matchAll(new RegExp(`^\\s*${name}\\s+(.+?)\\s*$`, "gim"))].at(-1)?.[1];
  if (argument === undefined) return undefined;
  try {
    const words: unknown = JSON.parse(argument);
    if (Array.isArray(words) && words.every((word) => typeof word === "string")) return words.map(shellWord);
  } catch {
    // The shell form is not JSON.
  }
  return [argument];
}

const shellWord = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** Files that are there, but say too little. */
function nearMisses(folder: Folder): string[] {
  const misses: [string, string][] = [
    ["package.json", 'package.json is there, but has no "start" among its scripts'],
    ["manage.py", "manage.py is there, but names no DJANGO_SETTINGS_MODULE"],
    ["Gemfile", "Gemfile is there, but rails with bin/rails is not"],
    ["Procfile", "Procfile is there, but no line of it is  type: command"],
    ["Dockerfile", "Dockerfile is there, but its last stage has neither CMD nor ENTRYPOINT"],
    ["requirements.txt", "requirements.txt is there, but flask with app.py or wsgi.py is not"],
  ];
  return misses.filter(([name]) => folder.has(name)).map(([, words]) => words);
}

function notRecognised(path: string, what: string, near: string[]): LandfallError {
  const looked =
    "Looked for Procfile, manage.py, app.py or wsgi.py with flask, bin/rails with a Gemfile, package.json with a start script, Dockerfile.";
  return new LandfallError({
    code: "APP_NOT_RECOGNIZED",
    what,
    where: path,
    why: [looked, ...near].join("\n"),
    standing: "Nothing was written.",
    next: "write a Procfile with a line such as  web: ./start --port $PORT  and run  landfall init  again",
  });
}
