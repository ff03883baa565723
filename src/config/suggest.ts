// Which known word somebody probably meant.

/** Swapped neighbours count once, as one slip of the fingers. */
function editDistance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= from.length; row++) {
    const above = rows[row - 1] as number[];
    const line = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let best = Math.min((above[column] as number) + 1, (line[column - 1] as number) + 1, (above[column - 1] as number) + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) best = Math.min(best, (rows[row - 2]?.[column - 2] as number) + 1);
      line.push(best);
    }
    rows.push(line);
  }
  return rows[from.length]?.[to.length] as number;
}

/** The words of `healthCheck`, `health_check` and `health-check` are the same two. */
const wordsOf = (text: string) =>
  text
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[\s_-]+/)
    .filter(Boolean);

/** Never compare more than this much of a word: a longer one is no misspelling. */
const LENGTH_MAX = 60;

/**
 * The one of `known` that `given` is a misspelling of, or undefined when none is near.
 * A known word that is the first of several given words counts too: `helthCheck` means `health`.
 *
 * @example suggest("prot", ["port", "health"]) // "port"
 */
export function suggest(given: string, known: readonly string[]): string | undefined {
  if (given.length > LENGTH_MAX) return undefined;
  const whole = given.toLowerCase();
  const [first = "", ...others] = wordsOf(given);
  const ranked = known
    .map((word) => {
      const lower = word.toLowerCase();
      const slips = editDistance(whole, lower);
      const ofFirst = others.length > 0 ? editDistance(first, lower) + 0.5 : Number.POSITIVE_INFINITY;
      return { word, distance: Math.min(slips, ofFirst), allowed: Math.max(1, Math.floor(lower.length / 3)) + 0.5 };
    })
    .filter(({ word, distance, allowed }) => distance <= allowed && distance < word.length)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.word;
}
