// A recipe as a Dockerfile: the whole text, and that nothing else decides it.
import { expect, test } from "vitest";
import { validateText } from "../../src/config/check.ts";
import { deploymentOf } from "../../src/config/deployment.ts";
import type { AppInput } from "../../src/config/schema.ts";
import { dockerfileOf } from "../../src/machine/dockerfile.ts";

const APP: AppInput = {
  name: "hello",
  recipe: { packages: ["npm", "nodejs"], files: ["./package.json", "vendor/"], steps: ['npm ci --omit=dev && echo "done"'] },
  resources: { database: { type: "postgres" } },
  services: { web: { command: "node server.js", port: 3000, stop: { signal: "SIGINT" }, container: {} } },
  release: { build: ["npm run assets"] },
  environments: { production: { target: "aws" } },
};
const dockerfile = (input: AppInput) => {
  const deployment = deploymentOf(validateText(`export default ${JSON.stringify(input)}`, "landfall.config.ts", input), "production");
  return dockerfileOf(deployment, deployment.services.web as (typeof deployment.services)[string]);
};

test("has dependencies before the code, and an app that is not root", () => {
  expect(dockerfile(APP)).toMatchInlineSnapshot(`
    "# Made from the recipe of hello.
    FROM public.ecr.aws/docker/library/debian:13-slim
    RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates nodejs npm && rm -rf /var/lib/apt/lists/*
    ADD --chmod=644 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /usr/local/share/landfall/rds.pem
    RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app && install -d -o app -g app /app /var/lib/amazon /var/log/amazon
    WORKDIR /app
    USER 10001:10001
    ENV HOME=/tmp PATH=/app/.venv/bin:/app/node_modules/.bin:$PATH
    COPY --chown=10001:10001 ["release/package.json","./package.json"]
    COPY --chown=10001:10001 ["release/vendor","./vendor"]
    RUN ["/bin/sh","-c","npm ci --omit=dev && echo \\"done\\""]
    COPY --chown=10001:10001 ["release/","./"]
    RUN ["/bin/sh","-c","npm run assets"]
    VOLUME ["/tmp","/var/lib/amazon","/var/log/amazon"]
    STOPSIGNAL SIGINT
    "
  `);
});

test("is the same for packages in another order, and asks nothing of an app without a database", () => {
  const other = { ...APP, recipe: { ...APP.recipe, packages: ["nodejs", "npm"] } };
  expect(dockerfile(other)).toBe(dockerfile(APP));
  expect(dockerfile({ ...APP, resources: {} })).not.toContain("rds.pem");
});
