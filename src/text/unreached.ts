// Which host a program says that it could not find, in the words of npm and Node, of pip, of curl and git, and of apt.

const SAYINGS = [
  /getaddrinfo (?:EAI_AGAIN|ENOTFOUND) ([\w.-]+)/,
  /Failed to resolve '([\w.-]+)'/,
  /Could not resolve host: ([\w.-]+)/,
  /Temporary failure resolving '([\w.-]+)'/,
];

/** The last one named, without a dot at its end. */
const hostIn = (lines: readonly string[]): string | undefined =>
  lines
    .flatMap((line) => SAYINGS.flatMap((saying) => saying.exec(line)?.[1] ?? []))
    .at(-1)
    ?.replace(/\.$/, "");

/** What an error says of a step that did not find a host, in place of what it says otherwise. */
export function explainUnreached(lines: readonly string[]): { why: string; next: string } | undefined {
  const host = hostIn(lines);
  if (host === undefined) return undefined;
  return {
    why: `Probably there is no network, or no name server, where it ran: "${host}" was not found.`,
    next: `see that ${host} is reached from there, then run the command again`,
  };
}
