import { acknowledge, cdk } from "../templates/shared/cdk.ts";
import type { DataPlace } from "../templates/shared/data-place.ts";
import { logicalName } from "../templates/shared/names.ts";
import { hasContainers } from "../templates/shared/running.ts";

const NEVER_ROTATES = "Instances read it when they start: one that changed by itself would lock out those that run.";

interface Login {
  resource: string;
  output: "Login" | "LoginReadOnly";
  user: string;
  about: string;
}

/** A user and a password of 40 letters and digits, which need no quoting in a URL. Returns the ARN of the secret. */
export function addLogin({ builder, site }: DataPlace, { resource, output, user, about }: Login): string {
  const secret = new cdk.aws_secretsmanager.CfnSecret(builder.stack, `${logicalName(resource)}${output}`, {
    description: `${site.app}, ${site.environment}: ${about}`,
    generateSecretString: {
      secretStringTemplate: JSON.stringify({ username: user }),
      generateStringKey: "password",
      passwordLength: 40,
      excludePunctuation: true,
    },
  });
  acknowledge(secret, { SMG4: NEVER_ROTATES });
  return secret.ref;
}

interface Url extends Login {
  scheme: string;
  /** The ARN of the secret with the password. */
  login: string;
  address: string;
}

/** The whole URL as a secret of its own: ECS gives a container what a secret holds, and cannot put it together. Only for apps with containers. */
function addUrl({ builder, site }: DataPlace, { resource, output, scheme, user, login, address }: Url): void {
  if (!hasContainers(site)) return;
  const id = `${logicalName(resource)}${output}`;
  const secret = new cdk.aws_secretsmanager.CfnSecret(builder.stack, `${id}Url`, {
    description: `${site.app}, ${site.environment}: the URL with the password of ${id}`,
    secretString: `${scheme}://${user}:{{resolve:secretsmanager:${login}:SecretString:password}}@${address}`,
  });
  acknowledge(secret, { SMG4: NEVER_ROTATES });
  builder.output(secret.ref, resource, `${output}Url`);
}

/** What services are given of a login, once it is known where the resource is. */
export function giveLogin(place: DataPlace, url: Url): void {
  place.builder.output(url.login, url.resource, url.output);
  addUrl(place, url);
}
