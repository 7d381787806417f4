import type { Endpoint } from '@bascule/core';
import type { Answer } from './feed.ts';

/** What it means to be missing from an answer. */
export interface Verdict {
  /** How many answers in a row must lack somebody until that counts as gone. */
  readonly needed: number;
  /** What to say until then. */
  readonly why: string;
}

export function weighAnswer(answer: Pick<Answer, 'history'> & { isEmpty: boolean; isMost: boolean }): Verdict {
  const { history, isEmpty, isMost } = answer;
  if (history === 'decided') return { needed: 1, why: '' };
  if (isEmpty) return { needed: Infinity, why: 'the source answers with nothing' };
  if (history === 'new') return { needed: Infinity, why: 'the source has started anew and does not know it yet' };
  const needed = (history === 'same' ? 1 : 2) + (isMost ? 1 : 0);
  return { needed, why: isMost ? 'the source misses more than half at once' : 'missing in one answer of the source' };
}

/** Of every instance its newest incarnation; who is listed twice counts as listed last. */
export function newestOf(endpoints: readonly Endpoint[]): Map<string, Endpoint> {
  const newest = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const other = newest.get(endpoint.instanceId);
    if (other === undefined || other.incarnation <= endpoint.incarnation) newest.set(endpoint.instanceId, endpoint);
  }
  return newest;
}
