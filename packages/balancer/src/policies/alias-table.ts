import type { Chance } from './chance.ts';

/**
 * Draws by weight at the cost of two numbers of chance and one look. Each place has the same chance; a place keeps its
 * share of it, and gives the rest to one other.
 *
 * Source: Walker's alias method, built as Vose does.
 */
export class AliasTable {
  readonly #shares: Float64Array;
  readonly #others: Int32Array;

  /** Weights above 0. */
  constructor(weights: Float64Array) {
    const count = weights.length;
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / count;
    this.#shares = weights.map((weight) => weight / mean);
    this.#others = Int32Array.from(weights, (_, index) => index);
    const below: number[] = [];
    const above: number[] = [];
    for (let index = 0; index < count; index++) ((this.#shares[index] as number) < 1 ? below : above).push(index);
    while (below.length > 0 && above.length > 0) {
      const poor = below.pop() as number;
      const rich = above.at(-1) as number;
      this.#others[poor] = rich;
      const left = (this.#shares[rich] as number) - (1 - (this.#shares[poor] as number));
      this.#shares[rich] = left;
      if (left >= 1) continue;
      above.pop();
      below.push(rich);
    }
    // Sums of fractions round: whoever is left keeps its place whole.
    for (const index of [...below, ...above]) this.#shares[index] = 1;
  }

  draw(chance: Chance): number {
    const index = chance.below(this.#others.length);
    // Two numbers: the digits that one leaves behind the point are too few for small shares of many places.
    return (chance.bits() >>> 0) / 0x1_0000_0000 < (this.#shares[index] as number)
      ? index
      : (this.#others[index] as number);
  }
}
