/** Steps of all streams together. At a few microseconds for each this is some milliseconds. */
const MAX_STEPS_PER_TURN = 1_000;

let left = MAX_STEPS_PER_TURN;
let next: Promise<void> | undefined;

/**
 * Counts a step of a stream that need not wait for anybody: a message that waits already, or room for another. False
 * when this turn of the event loop has had its share. A handler that goes on from promise to promise lets nothing else
 * run: a few KiB hold ten thousand empty messages, and a caller may grant room for hundreds of millions.
 */
export function mayStep(): boolean {
  if (left === 0) return false;
  left -= 1;
  void nextTurn();
  return true;
}

/** Resolves with the next turn. */
export function nextTurn(): Promise<void> {
  next ??= new Promise((resolve) => {
    setImmediate(() => {
      left = MAX_STEPS_PER_TURN;
      next = undefined;
      resolve();
    });
  });
  return next;
}
