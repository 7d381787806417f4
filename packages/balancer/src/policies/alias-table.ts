import type { Chance } from './chance.ts';

/**
 * Draws by weight at the cost of two numbers of chance and one look. Each place has the same chance; a place keeps its
 * share of it, and gives the rest to one other.
 *
 * Source: Walker's alias method, built as Vose does.
 */
export class AliasTable {
  /** Of each place what it keeps, in parts of 2^32, and who gets the rest: side by side, for one look at memory. */
  readonly #places: Uint32Array;

  /** Weights above 0. */
  constructor(weights: Float64Array) {
    const count = weights.length;
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / count;
    const shares = weights.map((weight) => weight / mean);
    const below: number[] = [];
    const above: number[] = [];
    this.#places = new Uint32Array(2 * count);
    for (let index = 0; index < count; index++) {
      // Until it is known better a place gives to itself, so that what it keeps does not matter.
      this.#places[2 * index + 1] = index;
      ((shares[index] as number) < 1 ? below : above).push(index);
    }
    // Sums of fractions round: whoever is left in the end keeps its place whole.
    while (below.length > 0 && above.length > 0) {
      const poor = below.pop() as number;
      const rich = above.at(-1) as number;
      const kept = shares[poor] as number;
      this.#places[2 * poor] = Math.floor(kept * 0x1_0000_0000);
      this.#places[2 * poor + 1] = rich;
      const left = (shares[rich] as number) - (1 - kept);
      shares[rich] = left;
      if (left >= 1) continue;
      above.pop();
      below.push(rich);
    }
  }

  draw(chance: Chance): number {
    const index = chance.below(this.#places.length >> 1);
    // Two numbers: the digits that one leaves behind the point are too few for small shares of many places.
    return chance.bits() >>> 0 < (this.#places[2 * index] as number) ? index : (this.#places[2 * index + 1] as number);
  }
}
