/** Somebody who gathers bytes while promises go on from one to the next. */
export interface Gathering {
  /** Set here; whoever flushes clears it. */
  isFlushDue: boolean;
  /** Must not throw. */
  flush(): void;
}

let due: Gathering[] = [];

/**
 * Flushes once all promises that have settled were heard, and before anything else comes in: what a handler gives without
 * waiting for anybody then costs one write, and what it gives alone leaves no later than it would at once.
 */
export function flushSoon(gathering: Gathering): void {
  if (gathering.isFlushDue) return;
  gathering.isFlushDue = true;
  due.push(gathering);
  if (due.length === 1) process.nextTick(flushDue);
}

function flushDue(): void {
  const all = due;
  due = [];
  for (const each of all) each.flush();
}
