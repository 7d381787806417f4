import { endpointKey, type Change, type Endpoint } from '@bascule/core';

/**
 * What makes one set of the other. An object that is in both has not changed. What comes is before what leaves, so that
 * a replaced endpoint is never missed for lack of its successor.
 */
export function changesBetween(before: ReadonlySet<Endpoint>, after: ReadonlySet<Endpoint>): Change[] {
  const leaving = new Set<string>();
  for (const endpoint of before) if (!after.has(endpoint)) leaving.add(endpointKey(endpoint));
  const changes: Change[] = [];
  for (const endpoint of after) {
    if (before.has(endpoint)) continue;
    changes.push({ type: leaving.delete(endpointKey(endpoint)) ? 'update' : 'insert', endpoint });
  }
  for (const key of leaving) changes.push({ type: 'remove', key, cause: 'retired' });
  return changes;
}
