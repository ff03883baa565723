// A recipe as a Dockerfile: what stands on a machine's image and in a release's folder, as one container image. Pure, the same text each time.
import type { Deployment } from "../config/deployment.ts";
import type { Service } from "../config/schema.ts";
import { cleanName } from "../release/recipe.ts";
import { typeOf } from "../resources/index.ts";
import { phaseService } from "../routing/placement.ts";

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
export function dockerfileOf(deployment: Deployment, { stop }: Pick<Service, "stop">): string {
  const { packages, files, steps } = deployment.recipe;
  const needsCertificates = Object.values(deployment.resources).some((resource) => typeOf(resource).needsCertificates && resource.url === undefined);
  const names = [...new Set(["ca-certificates", ...packages])].sort().join(" ");
  const run = (command: string, variables: string[] = []) => `RUN ${JSON.stringify([...variables, "/bin/sh", "-c", command])}`;
  const plain = Object.entries(deployment.services[phaseService(deployment)]?.environment ?? {}).map(([name, value]) => `${name}=${value}`);
  const copy = (from: string, to: string) => `COPY --chown=${USER_ID}:${USER_ID} ${JSON.stringify([`${RELEASE_FOLDER}/${from}`, to])}`;
  return [
    `# Made from the recipe of ${deployment.app}.`,
    `FROM ${BASE}`,
    `RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${names} && rm -rf /var/lib/apt/lists/*`,
    ...(needsCertificates ? [`ADD --chmod=644 ${CERTIFICATES} /usr/local/share/landfall/rds.pem`] : []),
    `RUN useradd --uid ${USER_ID} --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app && install -d -o app -g app /app /var/lib/amazon /var/log/amazon`,
    "WORKDIR /app",
    `USER ${USER_ID}:${USER_ID}`,
    "ENV HOME=/tmp PATH=/app/.venv/bin:/app/node_modules/.bin:$PATH",
    ...files.map(cleanName).map((file) => copy(file, `./${file}`)),
    ...steps.map((step) => run(step)),
    copy("", "./"),
    ...deployment.release.build.map((step) => run(step, plain.length > 0 ? ["env", ...plain] : [])),
    `VOLUME ${JSON.stringify(VOLUMES)}`,
    `STOPSIGNAL ${stop.signal}`,
    "",
  ].join("\n");
}
