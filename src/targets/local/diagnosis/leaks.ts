// Finds in an answer what an instance was given: its secrets, or its environment as a whole. Pure. Values go in; only names come out.
import { holds, holdsSecret } from "../../../text/mask.ts";

export interface InstanceVariables {
  /** Variable → value. */
  secrets: Record<string, string>;
  plain: Record<string, string>;
}

export interface Leaks {
  /** Secrets whose value, or whose URL's password, is in the text. */
  secrets: string[];
  /** Variables that are in it with name and value, when there are so many that it can only be a listing. */
  variables: string[];
}

/** A value of this length is not in a text by chance, even without its name. */
const DISTINCT_LENGTH = 20;
const LISTING_MIN = 3;

/** The names of what `body` gives away; undefined when it gives nothing away. */
export function findLeaks(body: string, instance: InstanceVariables): Leaks | undefined {
  if (body === "") return undefined;
  const secrets = Object.entries(instance.secrets).flatMap(([name, value]) => (holdsSecret(body, value) ? [name] : []));
  // A health page may well name its release and its host. A listing has the variables' names, or values that nothing else has.
  const listed = Object.entries(instance.plain)
    .filter(([name, value]) => value.length > 3 && holds(body, value) && (body.includes(name) || value.length >= DISTINCT_LENGTH))
    .map(([name]) => name);
  const variables = listed.length >= LISTING_MIN ? listed : [];
  return secrets.length + variables.length > 0 ? { secrets, variables } : undefined;
}
