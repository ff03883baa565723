// Suggests the known word that somebody probably meant. Pure.
import { distance } from "fastest-levenshtein";

/** Never compare more than this much of a word: a longer one is no misspelling. */
const LENGTH_MAX = 60;
/** The beginning of a word that is shorter could be that of any. */
const BEGINNING_MIN = 3;
const SUGGESTIONS_MAX = 3;

/** Swapped neighbours count once, as one slip of the fingers. */
function slips(from: string, to: string): number {
  const swapped = Array.from({ length: Math.max(0, from.length - 1) }, (_, at) => from.slice(0, at) + from[at + 1] + from[at] + from.slice(at + 2));
  return Math.min(distance(from, to), ...swapped.map((text) => distance(text, to) + 1));
}

/** The words of `healthCheck`, `health_check` and `health-check` are the same two. */
const wordsOf = (text: string) =>
  text
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[\s_-]+/)
    .filter(Boolean);

/** How far `given` is from a known word, in slips. What begins a known word was not written to its end. */
function distanceTo(word: string, typed: string): number {
  const [whole, lower] = [typed.toLowerCase(), word.toLowerCase()];
  const [first = "", ...others] = wordsOf(typed);
  const isBeginning = whole.length >= BEGINNING_MIN && (lower.startsWith(whole) || lower.endsWith(`/${whole}`));
  return Math.min(
    slips(whole, lower),
    others.length > 0 ? slips(first, lower) + 0.5 : Number.POSITIVE_INFINITY,
    isBeginning ? 1 : Number.POSITIVE_INFINITY,
  );
}

/**
 * Those of `known` that `given` is a misspelling or the beginning of, the nearest first, at most three.
 * A known word that is the first of several given words counts too: `helthCheck` means `health`.
 */
export function suggestions(given: string, words: readonly string[]): string[] {
  if (given.length > LENGTH_MAX) return [];
  return words
    .map((word) => ({ word, distance: distanceTo(word, given), allowed: Math.max(1, Math.floor(word.length / 3)) + 0.5 }))
    .filter(({ word, distance, allowed }) => distance <= allowed && distance < word.length)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, SUGGESTIONS_MAX)
    .map(({ word }) => word);
}

/**
 * The nearest of them, or undefined when none is near.
 *
 * @example suggest("prot", ["port", "health"]) // "port"
 */
export const suggest = (word: string, words: readonly string[]): string | undefined => suggestions(word, words)[0];
