// Where everything of the local target lives. One folder per environment; images and releases are shared by an app's environments.
import { join } from "node:path";
import { appsFolder, cacheFolder } from "../../system/home.ts";

export function placesOf(home: string, app: string, environment: string) {
  const appFolder = join(appsFolder(home), app);
  const folder = join(appFolder, "environments", environment);
  return {
    home,
    cache: cacheFolder(home),
    app: appFolder,
    images: join(appFolder, "images"),
    releases: join(appFolder, "releases"),
    /** What a decommission kept of this environment. */
    kept: join(appFolder, "kept", environment),
    /** What decommission removes is moved here first, so that the environment is there as a whole or not at all. */
    removing: join(appFolder, `removing-${environment}`),
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
    autoscaler: join(folder, "autoscaler"),
  };
}

export type Places = ReturnType<typeof placesOf>;
