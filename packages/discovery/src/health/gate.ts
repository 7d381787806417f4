/** Lets so many in at once, in order. */
export interface Gate {
  /** Runs `fn` when there is room, perhaps at once. It must call `release` exactly once. */
  enter(fn: (release: () => void) => void): Waiting;
}

export interface Waiting {
  /** Leaves the queue; for one that was let in it does nothing. */
  cancel(): void;
}

/** An empty room of `size`. */
export function createGate(size: number): Gate {
  const queue = new Set<(release: () => void) => void>();
  let inside = 0;

  function release(): void {
    inside--;
    const [next] = queue;
    if (next === undefined) return;
    queue.delete(next);
    letIn(next);
  }

  function letIn(fn: (release: () => void) => void): void {
    inside++;
    fn(release);
  }

  return {
    enter(fn) {
      // A function of its own for each, so that two of the same are two.
      const entry = (release: () => void): void => fn(release);
      if (inside < size) letIn(entry);
      else queue.add(entry);
      return { cancel: () => queue.delete(entry) };
    },
  };
}
