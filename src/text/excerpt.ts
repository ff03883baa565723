// Of the last lines of a program those that say why it failed: what it says of its failure often stands far above its last line, with calls and
// usage between. Pure.
import { stripVTControlCharacters } from "node:util";

/** A call in a trace of JavaScript, Ruby, Java and others. Python's come before the message and go with it. */
const CALL = /^\s+(?:at|from) |^\s+\.{3} \d+ more/;
const CALLS_KEPT = 2;
/** An exception of a language, or what a program calls an error itself. */
const SAYS_WHY = [
  /^\s*(?:Uncaught |\[\w+\]: |\S+:\d+:in .*)?(?:[\w.$:]+::)?[\w.$]*(?:Error|Exception)\b[^:]*:|\(\w+Error\)$|^panic: |^Exception in thread/,
  /\b(?:error|fatal|failed|failure|cannot|can't|could not|unable to|missing|denied|refused|not found|no such)\b/i,
];
const EMPTY = /^\s*(?:npm (?:error|ERR!))?\s*$/;

/** At most so many, oldest first, without colours. What is left out is counted in a line of its own. */
export function excerptOf(lines: readonly string[], most: number): string[] {
  const said = foldCalls(lines.map((line) => stripVTControlCharacters(line)).filter((line) => !EMPTY.test(line)));
  if (said.length <= most) return said;
  const head = Math.ceil((most - 1) / 2);
  const tail = most - 1 - head;
  const why = findWhy(said);
  if (why === -1 || why >= said.length - most) return said.slice(-most);
  const left = said.length - tail - (why + head);
  return [...said.slice(why, why + head), `… ${left} more lines`, ...said.slice(said.length - tail)];
}

/** Of an exception the last counts, since one is often thrown on the way from another; of words the first, since complaints follow. */
function findWhy(lines: string[]): number {
  const [exception, words] = SAYS_WHY;
  const thrown = lines.findLastIndex((line) => exception?.test(line));
  return thrown === -1 ? lines.findIndex((line) => words?.test(line)) : thrown;
}

function foldCalls(lines: string[]): string[] {
  const folded: string[] = [];
  let calls = 0;
  const close = () => {
    if (calls > CALLS_KEPT) folded.push(`    … ${calls - CALLS_KEPT} more calls`);
    calls = 0;
  };
  for (const line of lines) {
    if (!CALL.test(line)) close();
    else calls += 1;
    if (calls <= CALLS_KEPT) folded.push(line);
  }
  close();
  return folded;
}
