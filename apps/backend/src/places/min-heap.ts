interface Keyed<T> {
  readonly key: number;
  readonly value: T;
}

/** Gives back what has the lowest key first. */
export interface MinHeap<T> {
  push(key: number, value: T): void;
  pop(): Keyed<T> | undefined;
}

/** A binary heap in an array: the children of `i` stand at `2i + 1` and `2i + 2`. */
export function createMinHeap<T>(): MinHeap<T> {
  const items: Keyed<T>[] = [];
  const keyAt = (i: number): number => items[i]?.key ?? Infinity;
  const swap = (i: number, j: number): void => {
    [items[i], items[j]] = [items[j] as Keyed<T>, items[i] as Keyed<T>];
  };
  return {
    push(key, value) {
      let i = items.push({ key, value }) - 1;
      for (let parent = (i - 1) >> 1; i > 0 && keyAt(parent) > key; parent = (i - 1) >> 1) {
        swap(i, parent);
        i = parent;
      }
    },
    pop() {
      const lowest = items[0];
      const last = items.pop();
      if (lowest === undefined || last === undefined || items.length === 0) return lowest;
      items[0] = last;
      for (let i = 0; ;) {
        const child = keyAt(2 * i + 1) <= keyAt(2 * i + 2) ? 2 * i + 1 : 2 * i + 2;
        if (keyAt(child) >= last.key) return lowest;
        swap(i, child);
        i = child;
      }
    },
  };
}
