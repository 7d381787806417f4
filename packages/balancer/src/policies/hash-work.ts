/** What one step may do, in units of about 20 ns: a quarter of a millisecond, or one on a machine that is busy. */
export const STEP_UNITS = 12_000;
/** Items done between two looks at the budget. */
const CHUNK_ITEMS = 256;

/** Counts what a table that is being built has cost since its last pause. */
export class Work {
  #spent = 0;

  /** True when it is time to pause. */
  spend(units: number): boolean {
    this.#spent += units;
    if (this.#spent < STEP_UNITS) return false;
    this.#spent = 0;
    return true;
  }

  /** Runs over `count` items of about the same cost each, and pauses in between. */
  *over(count: number, unitsPerItem: number, run: (from: number, to: number) => void): Generator<undefined, void> {
    for (let from = 0; from < count; from += CHUNK_ITEMS) {
      const to = Math.min(count, from + CHUNK_ITEMS);
      run(from, to);
      if (this.spend((to - from) * unitsPerItem)) yield undefined;
    }
  }
}
