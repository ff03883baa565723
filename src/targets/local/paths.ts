// The paths of the local target. One folder per environment; images and releases are shared by an app's environments.
import { basename, dirname, join } from "node:path";
import { appsFolder, cacheFolder } from "../../system/home.ts";

export function pathsOf(home: string, app: string, environment: string) {
  const appFolder = join(appsFolder(home), app);
  const folder = join(appFolder, "environments", environment);
  return {
    home,
    cache: cacheFolder(home),
    app: appFolder,
    images: join(appFolder, "images"),
    releases: join(appFolder, "releases"),
    /** The lock of whoever removes what is shared, or says what of it it needs. */
    sharing: join(appFolder, "sharing.lock"),
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
    /** Where the operation in the journal was begun, for whoever takes it up. */
    orders: join(folder, "orders.json"),
    secrets: join(folder, "secrets.json"),
    secretsKey: join(folder, "secrets.key"),
    data: join(folder, "data"),
    /** What is known of the data. Beside it, because the data may be on a disk that is not there. */
    dataRecord: join(folder, "data.json"),
    /** What programs of the app keep at home, a folder for each service. Goes with the environment. */
    homes: join(folder, "homes"),
    logs: join(folder, "logs"),
    /** Notes of commands that are run by hand. */
    sessions: join(folder, "sessions"),
    supervisor: join(folder, "supervisor"),
    /** The files of each start of each process; its place names it, see `process-tree.ts`. */
    runs: join(folder, "supervisor", "runs"),
    supervisorSocket: join(folder, "supervisor.sock"),
    keeperSocket: join(folder, "keeper.sock"),
    balancerSocket: join(folder, "balancer.sock"),
    objectSocket: join(folder, "objects.sock"),
    tls: join(folder, "tls"),
    /** Of `tls: "local"`: what has signed the certificate. */
    authority: join(folder, "tls", "ca.pem"),
    autoscaler: join(folder, "autoscaler"),
  };
}

/** The paths of an environment, from its folder alone. */
export function pathsOfFolder(folder: string): Paths {
  const app = dirname(dirname(folder));
  return pathsOf(dirname(dirname(app)), basename(app), basename(folder));
}

export type Paths = ReturnType<typeof pathsOf>;
