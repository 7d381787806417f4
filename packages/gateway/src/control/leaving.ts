/**
 * Sources that are not configured any more, for as long as those in their place have not answered: an
 * address that was mistyped must not cost all endpoints.
 */
export interface Leaving<T> {
  /** `gone` leave once each of `successors` has answered, or is gone itself; at once when there are none. */
  add(gone: readonly T[], successors: readonly T[]): void;
  /** Those who wait, and for whom. */
  waiting(): { readonly leaving: readonly T[]; readonly awaited: readonly T[] };
}

/** `onLeave` is called once for each. */
export function createLeaving<T extends { readonly answered: Promise<void> }>(onLeave: (entry: T) => void): Leaving<T> {
  const leaving = new Set<T>();
  const awaited = new Set<T>();

  function settle(): void {
    if (awaited.size > 0) return;
    const entries = [...leaving];
    leaving.clear();
    entries.forEach(onLeave);
  }

  return {
    add(gone, successors) {
      for (const entry of gone) {
        leaving.add(entry);
        awaited.delete(entry);
      }
      for (const entry of leaving.size === 0 ? [] : successors) {
        awaited.add(entry);
        void entry.answered.then(() => awaited.delete(entry) && settle());
      }
      settle();
    },
    waiting: () => ({ leaving: [...leaving], awaited: [...awaited] }),
  };
}
