import { toWords } from './words.ts';

/** Finds names by the beginnings of their words. */
export interface SearchIndex {
  /**
   * Positions, lowest first and at most `limit`, of the names in which every word of `query` begins a word.
   * A query without words finds the first names.
   */
  find(query: string, limit: number): number[];
}

/** Indexes `names`, whose order is the order of answers. */
export function createSearchIndex(names: readonly string[]): SearchIndex {
  const wordsOf = names.map(toWords);
  const postings = toPostings(wordsOf);
  const words = [...postings.keys()].sort();
  return {
    find(query, limit) {
      const [longest, ...others] = toWords(query).sort((a, b) => b.length - a.length);
      if (longest === undefined) return names.slice(0, limit).map((_, position) => position);
      const first = firstAtLeast(words, longest);
      const lowest = new LowestPositions(limit);
      for (let i = first; i < words.length && (words[i] as string).startsWith(longest); i++) {
        for (const position of postings.get(words[i] as string) ?? []) {
          // Positions of one word ascend: the rest of them cannot be better.
          if (lowest.isTooHigh(position)) break;
          if (others.every((prefix) => wordsOf[position]?.some((word) => word.startsWith(prefix))))
            lowest.add(position);
        }
      }
      return lowest.positions;
    },
  };
}

/** For each word, the positions of the names that hold it, ascending. */
function toPostings(wordsOf: readonly (readonly string[])[]): Map<string, number[]> {
  const postings = new Map<string, number[]>();
  for (const [position, words] of wordsOf.entries()) {
    for (const word of words) {
      const list = postings.get(word);
      if (list === undefined) postings.set(word, [position]);
      // "Baden-Baden" holds its word twice.
      else if (list.at(-1) !== position) list.push(position);
    }
  }
  return postings;
}

/** Where `value` is, or would be, in `sorted`. */
function firstAtLeast(sorted: readonly string[], value: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as string) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The lowest `limit` positions seen, ascending, each once: one letter finds ten thousand names, of which ten are wanted. */
class LowestPositions {
  readonly positions: number[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  isTooHigh(position: number): boolean {
    return this.positions.length === this.#limit && position > (this.positions.at(-1) ?? -1);
  }

  add(position: number): void {
    let at = this.positions.length;
    while (at > 0 && (this.positions[at - 1] as number) > position) at--;
    if (this.positions[at - 1] === position) return;
    this.positions.splice(at, 0, position);
    if (this.positions.length > this.#limit) this.positions.pop();
  }
}
