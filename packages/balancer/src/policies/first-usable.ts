import type { Candidate, PickRequest } from '../policy.ts';

/** The member at `index`, or the next one after it, in a circle, that is not out; undefined when all are. */
export function firstUsable<T extends Candidate>(
  members: readonly T[],
  index: number,
  request: PickRequest,
): T | undefined {
  const { isOut } = request;
  const chosen = members[index];
  if (isOut === undefined || chosen === undefined || !isOut(chosen)) return chosen;
  for (let step = 1; step < members.length; step++) {
    const next = members[(index + step) % members.length] as T;
    if (!isOut(next)) return next;
  }
  return undefined;
}
