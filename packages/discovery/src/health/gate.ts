/** Lets so many in at once. */
export interface Gate {
  /**
   * Runs `fn` when there is room, perhaps at once. It must call `release` exactly once. Within a lane it is first come,
   * first served; lanes take turns, so that those who fill one keep nobody else waiting.
   */
  enter(lane: string, fn: (release: () => void) => void): Waiting;
}

export interface Waiting {
  /** Leaves the queue; for one that was let in it does nothing. */
  cancel(): void;
}

type Entry = (release: () => void) => void;

/** An empty room of `size`. */
export function createGate(size: number): Gate {
  /** Those with somebody in them, the next one first. */
  const lanes = new Map<string, Set<Entry>>();
  let inside = 0;

  function release(): void {
    inside--;
    const [first] = lanes;
    if (first === undefined) return;
    const [lane, queue] = first;
    const next = queue.values().next().value as Entry;
    queue.delete(next);
    lanes.delete(lane);
    if (queue.size > 0) lanes.set(lane, queue);
    letIn(next);
  }

  function letIn(entry: Entry): void {
    inside++;
    entry(release);
  }

  function leave(lane: string, entry: Entry): void {
    const queue = lanes.get(lane);
    if (queue?.delete(entry) === true && queue.size === 0) lanes.delete(lane);
  }

  return {
    enter(lane, fn) {
      // A function of its own for each, so that two of the same are two.
      const entry: Entry = (done) => fn(done);
      if (inside < size) letIn(entry);
      else lanes.set(lane, (lanes.get(lane) ?? new Set()).add(entry));
      return { cancel: () => leave(lane, entry) };
    },
  };
}
