// Whether an answer gives away what an instance was given: its secrets, or its environment as a whole. Pure. Values go in; only names come out.

export interface Given {
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

/** Shorter values are in every text by chance. */
const SECRET_LENGTH_MIN = 6;
/** A value of this length is not in a text by chance, even without its name. */
const DISTINCT_LENGTH = 20;
const LISTING_MIN = 3;

/** The names of what `body` gives away; undefined when it gives nothing away. */
export function findLeaks(body: string, given: Given): Leaks | undefined {
  if (body === "") return undefined;
  const secrets = Object.entries(given.secrets).flatMap(([name, value]) => (wordsOf(value).some((word) => holds(body, word)) ? [name] : []));
  // A health page may well name its release and its host. A listing has the variables' names, or values that nothing else has.
  const listed = Object.entries(given.plain)
    .filter(([name, value]) => value.length > 3 && holds(body, value) && (body.includes(name) || value.length >= DISTINCT_LENGTH))
    .map(([name]) => name);
  const variables = listed.length >= LISTING_MIN ? listed : [];
  return secrets.length + variables.length > 0 ? { secrets, variables } : undefined;
}

/** Puts `…` in the place of every secret's value: for answers and log lines that become part of an error. */
export function hideSecrets(text: string, given: Given): string {
  const words = Object.values(given.secrets).flatMap(wordsOf).flatMap(spellings);
  return words.sort((a, b) => b.length - a.length).reduce((hidden, word) => hidden.replaceAll(word, "…"), text);
}

/** The value, and of a URL also the password in it. */
function wordsOf(value: string): string[] {
  const password = URL.canParse(value) ? new URL(value).password : "";
  return [value, password, decode(password)].filter((word) => word.length >= SECRET_LENGTH_MIN);
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const holds = (body: string, value: string): boolean => spellings(value).some((one) => body.includes(one));

/** As it is, and as JSON, HTML, a URL and base64 write it. */
function spellings(value: string): string[] {
  const html = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
  const base64 = Buffer.from(value).toString("base64");
  return [...new Set([value, JSON.stringify(value).slice(1, -1), html, encodeURIComponent(value), ...(value.length >= 8 ? [base64] : [])])];
}
