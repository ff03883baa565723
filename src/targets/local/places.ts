// Where everything of the local target lives. One folder per environment; images and releases are shared by an app's environments.
import { homedir } from "node:os";
import { join } from "node:path";

/** LANDFALL_HOME, else /var/lib/landfall for root (Postgres' own user must reach it), else the XDG state folder. */
export function findHome(env: NodeJS.ProcessEnv = process.env): string {
  if (env.LANDFALL_HOME) return env.LANDFALL_HOME;
  if (process.getuid?.() === 0) return "/var/lib/landfall";
  return join(env.XDG_STATE_HOME ?? join(homedir(), ".local", "state"), "landfall");
}

export function placesOf(home: string, app: string, environment: string) {
  const appFolder = join(home, "apps", app);
  const folder = join(appFolder, "environments", environment);
  return {
    home,
    app: appFolder,
    images: join(appFolder, "images"),
    releases: join(appFolder, "releases"),
    /** Everything below is this environment's own. */
    environment: folder,
    record: join(folder, "environment.json"),
    journal: join(folder, "journal.jsonl"),
    events: join(folder, "events.jsonl"),
    lease: join(folder, "lease.json"),
    secrets: join(folder, "secrets.json"),
    secretsKey: join(folder, "secrets.key"),
    data: join(folder, "data"),
    logs: join(folder, "logs"),
    supervisor: join(folder, "supervisor"),
    supervisorSocket: join(folder, "supervisor.sock"),
    balancerSocket: join(folder, "balancer.sock"),
    tls: join(folder, "tls"),
  };
}

export type Places = ReturnType<typeof placesOf>;
