import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { detectApp, writeConfig } from "../../src/config/init.ts";
import { loadConfig } from "../../src/config/load.ts";
import { folderWith, textOf } from "./folders.ts";

const MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n';
const pkg = (rest: object) => JSON.stringify({ name: "@acme/Shop", scripts: { start: "node server.js" }, ...rest });

const APPS: [string, Record<string, string>, object][] = [
  ["node without dependencies", { "package.json": pkg({}) }, { name: "shop", services: { web: { command: "exec node server.js", port: 3000 } } }],
  [
    "node with npm",
    { "package.json": pkg({ dependencies: { x: "1" } }), "package-lock.json": "{}" },
    {
      name: "shop",
      recipe: { files: ["package.json", "package-lock.json"], steps: ["npm ci --omit=dev"] },
      services: { web: { command: "exec node server.js", port: 3000 } },
    },
  ],
  [
    "node with pnpm and a build",
    { "package.json": pkg({ scripts: { start: "next start", build: "next build" } }), "pnpm-lock.yaml": "" },
    {
      name: "shop",
      recipe: { files: ["package.json", "pnpm-lock.yaml"], steps: ["pnpm install --frozen-lockfile"] },
      release: { build: ["pnpm run build"] },
      services: { web: { command: "exec pnpm run start", port: 3000 } },
    },
  ],
  [
    "django",
    {
      "package.json": '{"name":"shop"}',
      "manage.py": MANAGE,
      "requirements.txt": "Django==5.1\ngunicorn\npsycopg[binary]\n",
      "mysite/settings.py": "STATIC_ROOT = 'static'\n",
    },
    {
      name: "shop",
      recipe: {
        packages: ["python3-venv"],
        files: ["requirements.txt"],
        steps: ["python3 -m venv .venv", ".venv/bin/pip install --no-cache-dir -r requirements.txt"],
      },
      resources: { database: { type: "postgres" } },
      services: { web: { command: "exec .venv/bin/gunicorn --bind $HOST:$PORT mysite.wsgi", port: 8000 } },
      release: { build: [".venv/bin/python manage.py collectstatic --noinput"], expand: ".venv/bin/python manage.py migrate --noinput" },
    },
  ],
  [
    "flask",
    { "package.json": '{"name":"shop"}', "wsgi.py": "application = 1\n", "requirements.txt": "flask-cors\nFlask>=3\n" },
    {
      name: "shop",
      recipe: {
        packages: ["python3-venv"],
        files: ["requirements.txt"],
        steps: ["python3 -m venv .venv", ".venv/bin/pip install --no-cache-dir -r requirements.txt"],
      },
      services: { web: { command: "exec .venv/bin/python -m flask --app wsgi run --host $HOST --port $PORT", port: 8000 } },
    },
  ],
  [
    "rails",
    {
      "package.json": '{"name":"shop"}',
      Gemfile: 'gem "rails", "~> 8"\ngem "pg"\n',
      "Gemfile.lock": "",
      "bin/rails": "",
      "config/credentials.yml.enc": "x",
      "config/routes.rb": 'get "up" => "rails/health#show"',
    },
    {
      name: "shop",
      recipe: { files: ["Gemfile", "Gemfile.lock"], steps: ["BUNDLE_PATH=vendor/bundle bundle install"] },
      resources: { database: { type: "postgres" } },
      services: {
        web: {
          command: "exec bin/rails server --binding $HOST --port $PORT",
          port: 3000,
          health: { path: "/up" },
          environment: { RAILS_ENV: "production" },
          secrets: ["RAILS_MASTER_KEY"],
        },
      },
      release: { expand: "RAILS_ENV=production bin/rails db:migrate" },
    },
  ],
  [
    "procfile",
    {
      "package.json": pkg({}),
      Procfile: "# a comment\nweb: node server.js --port $PORT\nWork_er: node 'w.js'\nclock: node clock.js\nrelease: node migrate.js\n",
    },
    {
      name: "shop",
      services: {
        web: { command: "node server.js --port $PORT", port: 5000 },
        "work-er": { command: "node 'w.js'" },
        clock: { command: "node clock.js", singleton: true },
      },
      release: { expand: "node migrate.js" },
    },
  ],
  [
    "dockerfile",
    {
      "package.json": '{"name":"shop"}',
      Dockerfile: 'FROM a AS build\nCMD ["no"]\nFROM b\nEXPOSE 8080/tcp\n# CMD no\nENTRYPOINT ["./run"]\nCMD ["serve", \\\n  "it\'s"]\n',
    },
    { name: "shop", services: { web: { command: "./run serve 'it'\\''s'", port: 8080, container: { dockerfile: "Dockerfile" } } } },
  ],
];

describe("init", () => {
  test.each(APPS)("recognises %s and writes a configuration that loads", async (name, files, app) => {
    const folder = folderWith(files);
    expect(detectApp(folder).app).toEqual(app);
    const report = await writeConfig(folder, {});
    expect(report).toMatchObject({ file: join(folder, "landfall.config.ts"), kind: name.split(" ")[0] });
    expect(readFileSync(report.file, "utf8")).toBe(report.text);
    expect((await loadConfig(report.file)).app.name).toBe("shop");
  });

  test("writes short text", async () => {
    const folder = folderWith({ "package.json": pkg({ dependencies: { x: "1" } }), "package-lock.json": "{}" });
    expect((await writeConfig(folder, {})).text).toMatchInlineSnapshot(`
      "// Written by landfall init, from: package.json with a start script. Every key is in docs/configuration.md of the package landfall.
      import { defineApp } from "landfall";

      export default defineApp({
        name: "shop",
        recipe: { files: ["package.json", "package-lock.json"], steps: ["npm ci --omit=dev"] },
        services: { web: { command: "exec node server.js", port: 3000 } },
      });
      "
    `);
  });

  test("names the app after its folder when nothing else names it", () => {
    const folder = folderWith({ "1 My Shop!/Procfile": "web: x\n", "42/Procfile": "web: x\n" });
    expect(detectApp(join(folder, "1 My Shop!")).app.name).toBe("my-shop");
    expect(detectApp(join(folder, "42")).app.name).toBe("app");
  });

  test("never replaces a configuration unless forced", async () => {
    const folder = folderWith({ "package.json": pkg({}), "landfall.config.mjs": "mine" });
    expect(await textOf(() => writeConfig(folder, {}), folder)).toMatchInlineSnapshot(`
      "error: a configuration stands here already                                       CONFIG_EXISTS

        landfall.config.mjs

        landfall init does not replace what somebody wrote.
        Nothing was written.
        Next: landfall init --force   to replace it, or  landfall check  to check it"
    `);
    expect(existsSync(join(folder, "landfall.config.ts"))).toBe(false);
    writeFileSync(join(folder, "landfall.config.ts"), "mine");
    await expect(async () => writeConfig(folder, {})).rejects.toMatchObject({ code: "CONFIG_EXISTS" });
    expect(readFileSync(join(folder, "landfall.config.ts"), "utf8")).toBe("mine");
    expect((await writeConfig(folder, { force: true })).text).toBe(readFileSync(join(folder, "landfall.config.ts"), "utf8"));
  });

  test("says where a Dockerfile counts, and what has to be there besides", async () => {
    const folder = folderWith({ Dockerfile: "FROM python:3.13-slim\nCMD python web.py\nEXPOSE 80\n", "requirements.txt": "falcon\n" });
    const { text } = await writeConfig(folder, {});
    expect(text.replace(/landfall-config-\w+/, "shop")).toMatchInlineSnapshot(`
      "// Written by landfall init, from: Dockerfile with a CMD. Every key is in docs/configuration.md of the package landfall.
      // On AWS the image of the Dockerfile runs. Locally its command is a plain process: what it has from "python:3.13-slim" has to be on this machine, or in a recipe.
      import { defineApp } from "landfall";

      export default defineApp({
        name: "shop",
        recipe: {
          packages: ["python3-venv"],
          files: ["requirements.txt"],
          steps: ["python3 -m venv .venv", ".venv/bin/pip install --no-cache-dir -r requirements.txt"],
        },
        services: { web: { command: "python web.py", port: 80, container: { dockerfile: "Dockerfile" } } },
      });
      "
    `);
  });

  test.each([
    [
      "settings of Django",
      { "manage.py": 'set("DJANGO_SETTINGS_MODULE", "site.settings")', "site/settings.py": '"ENGINE": "django.db.backends.sqlite3"' },
    ],
    ["a package", { "package.json": pkg({ dependencies: { "better-sqlite3": "12" } }) }],
    ["a gem", { Procfile: "web: bin/rails s\n", Gemfile: 'gem "sqlite3"\n' }],
    ["a schema of Prisma", { "package.json": pkg({}), "prisma/schema.prisma": 'provider = "sqlite"' }],
  ])("names LANDFALL_DATA where SQLite is used: %s", async (_, files) => {
    expect((await writeConfig(folderWith(files), {})).text).toContain("LANDFALL_DATA");
  });

  test("does not name LANDFALL_DATA where nothing is kept", async () => {
    expect((await writeConfig(folderWith({ "package.json": pkg({}) }), {})).text).not.toContain("LANDFALL_DATA");
  });

  const procfile = (...lines: string[]) => detectApp(folderWith({ Procfile: lines.join("\n") }));
  const singletons = (...lines: string[]) =>
    Object.entries(procfile(...lines).app.services)
      .filter(([, { singleton }]) => singleton)
      .map(([name]) => name);

  // The names are those of the examples of Heroku, Celery, Clockwork and RQ; the programs say in their own manuals that only one may run.
  test.each(["clock", "clock_process", "worker_beat", "celerybeat", "celery_beat", "rq-scheduler", "scheduler", "cron", "cronjobs", "beat-worker"])(
    "a process called %s runs once",
    (name) => expect(singletons("web: x", `${name}: ./run`)).toHaveLength(1),
  );

  test.each([
    "celery -A x beat -l info",
    "exec .venv/bin/celery --app=x beat",
    "celery -A x worker -l info -B",
    "python -m celery -A x worker --beat",
    "bundle exec clockwork config/clock.rb",
    "bundle exec rake resque:scheduler",
    "rqscheduler --host $REDIS_HOST",
    "python manage.py rqscheduler",
    "php artisan schedule:work",
    "supercronic ./crontab",
    "airflow scheduler",
    "node lib/scheduler.js",
    "python clock.py",
  ])("a process that is %j runs once, whatever its name", (command) => {
    expect(singletons("web: x", `background: ${command}`)).toEqual(["background"]);
    const container = detectApp(folderWith({ Dockerfile: `FROM a\nCMD ${command}\n` })).app.services;
    expect(container).toMatchObject({ worker: { singleton: true } });
  });

  test.each([
    "celery -A x worker -l info",
    "celery -A heartbeat worker",
    "node worker.js --beat-interval 3",
    "python clockface.py",
    "rq worker --with-scheduler",
    "bundle exec sidekiq",
    "node scheduler.js.map",
  ])("a process that is %j does not", (command) => expect(singletons(`worker: ${command}`)).toEqual([]));

  test.each(["worker", "heartbeat", "crony", "clocks-and-watches", "o-clocks", "upbeat"])("nor one called %s", (name) =>
    expect(singletons(`${name}: ./run`)).toEqual([]),
  );

  test("processes whose names are one here are all kept, and the second name is said", async () => {
    const folder = folderWith({ Procfile: "Worker_Beat: a\nworker_beat: b\nworker-beat-2: c\n9: d\nrelease: e\nRelease: f\n" });
    const { app, notes } = detectApp(folder);
    expect(app.services).toEqual({
      "worker-beat": { command: "a", singleton: true },
      "worker-beat-3": { command: "b", singleton: true },
      "worker-beat-2": { command: "c", singleton: true },
      process: { command: "d" },
    });
    expect(app.release).toEqual({ expand: "e && f" });
    expect(notes).toEqual([
      '"worker_beat" of the Procfile is the service "worker-beat-3", since "worker-beat" is another one.',
      '"9" of the Procfile is the service "process": the names of services begin with a letter.',
    ]);
    expect((await writeConfig(folder, {})).text).toContain("worker-beat-3");
  });

  test("says what it looked for when nothing is recognised", async () => {
    const folder = folderWith({ "package.json": '{"name": "x"}', Dockerfile: "FROM a\n", Procfile: "what\n" });
    expect(await textOf(() => writeConfig(folder, {}), folder)).toMatchInlineSnapshot(`
      "error: nothing that Landfall knows how to start in "/app"  APP_NOT_RECOGNIZED

        /app

        Looked for Procfile, manage.py, app.py or wsgi.py with flask, bin/rails with a Gemfile, package.json with a start script, Dockerfile.
        package.json is there, but has no "start" among its scripts
        Procfile is there, but no line of it is  type: command
        Dockerfile is there, but its last stage has neither CMD nor ENTRYPOINT
        Nothing was written.
        Next: write a Procfile with a line such as  web: ./start --port $PORT  and run  landfall init  again"
    `);
    expect(await textOf(() => detectApp(join(folder, "gone")), folder)).toMatchInlineSnapshot(`
      "error: "/app/gone" is not a folder  APP_NOT_RECOGNIZED

        gone

        Looked for Procfile, manage.py, app.py or wsgi.py with flask, bin/rails with a Gemfile, package.json with a start script, Dockerfile.
        Nothing was written.
        Next: write a Procfile with a line such as  web: ./start --port $PORT  and run  landfall init  again"
    `);
  });

  test.each([
    ["package.json", "{"],
    ["package.json", "null"],
    ["package.json", '{"scripts": {"start": 3}}'],
    ["manage.py", "print()"],
    ["Gemfile", "gem 'sinatra'"],
    ["requirements.txt", "flask-cors"],
  ])("is not misled by %s: %s", (name, text) => {
    expect(() => detectApp(folderWith({ [name]: text, "app.py": "" }))).toThrow(expect.objectContaining({ code: "APP_NOT_RECOGNIZED" }));
  });

  test("says why the file could not be written", async () => {
    const folder = folderWith({ "package.json": pkg({}), "landfall.config.ts/x": "" });
    expect(await textOf(() => writeConfig(folder, { force: true }), folder)).toMatchInlineSnapshot(`
      "error: the configuration "landfall.config.ts" could not be written           CONFIG_UNWRITABLE

        landfall.config.ts

        EISDIR: illegal operation on a directory, open '/app/landfall.config.ts'
        Nothing was written."
    `);
  });
});
