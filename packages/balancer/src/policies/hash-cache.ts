/** Prepares that an entry outlives without being asked for; some, since a policy prepares a picker for each group. */
const PREPARES_KEPT = 64;

/**
 * What is computed from an instance id alone, kept over changes of the set, so that a change hashes only who is new.
 * Two generations: what neither this one nor the one before has asked for is forgotten at once, without a search.
 */
export class HashCache<V> {
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  #prepares = 0;

  /** Called once at the start of each prepare. */
  turn(): void {
    this.#prepares++;
    if (this.#prepares < PREPARES_KEPT) return;
    this.#prepares = 0;
    this.#old = this.#young;
    this.#young = new Map();
  }

  get(id: string): V | undefined {
    const found = this.#young.get(id);
    if (found !== undefined) return found;
    const older = this.#old.get(id);
    if (older !== undefined) this.#young.set(id, older);
    return older;
  }

  set(id: string, value: V): void {
    this.#young.set(id, value);
  }
}
