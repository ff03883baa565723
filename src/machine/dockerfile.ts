// A recipe as a Dockerfile: what stands on a machine's image and in a release's folder, as one container image. Pure, the same text each time.
import type { App, Service } from "../config/schema.ts";
import { cleanName } from "../release/recipe.ts";

/** Amazon's copy of Docker's own image: without its limit on anonymous pulls. */
const BASE = "public.ecr.aws/docker/library/debian:13-slim";
const CERTIFICATES = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";
/** The user of machines has the same name; here a number, so that nobody can mistake it for root. */
const USER_ID = 10001;

/** The folder beside the Dockerfile that holds the release's files. */
export const RELEASE_FOLDER = "release";

/** What the app and the agent for `exec` write to; all else is read-only. */
const VOLUMES = ["/tmp", "/var/lib/amazon", "/var/log/amazon"];

/** Its context has the release in `release/`. Dependencies come before the code, so that an engine makes them once for many releases. */
export function dockerfileOf(app: App, { stop }: Pick<Service, "stop">): string {
  const { packages, files, steps } = app.recipe;
  const hasDatabase = Object.values(app.resources).some(({ type, url }) => type === "postgres" && url === undefined);
  const names = [...new Set(["ca-certificates", ...packages])].sort().join(" ");
  const run = (command: string) => `RUN ${JSON.stringify(["/bin/sh", "-c", command])}`;
  const copy = (from: string, to: string) => `COPY --chown=${USER_ID}:${USER_ID} ${JSON.stringify([`${RELEASE_FOLDER}/${from}`, to])}`;
  return [
    `# Made from the recipe of ${app.name}.`,
    `FROM ${BASE}`,
    `RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${names} && rm -rf /var/lib/apt/lists/*`,
    ...(hasDatabase ? [`ADD --chmod=644 ${CERTIFICATES} /usr/local/share/landfall/rds.pem`] : []),
    `RUN useradd --uid ${USER_ID} --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app && install -d -o app -g app /app /var/lib/amazon /var/log/amazon`,
    "WORKDIR /app",
    `USER ${USER_ID}:${USER_ID}`,
    "ENV HOME=/tmp",
    ...files.map(cleanName).map((file) => copy(file, `./${file}`)),
    ...steps.map(run),
    copy("", "./"),
    ...app.release.build.map(run),
    `VOLUME ${JSON.stringify(VOLUMES)}`,
    `STOPSIGNAL ${stop.signal}`,
    "",
  ].join("\n");
}
