import { signal } from '@preact/signals';
import type { CallFact } from '@bascule/web';
import { addCall, addSecond, NO_CALLS } from './call-stats.ts';

/** Every call of this page. */
export const calls = signal(NO_CALLS);

export function recordCall(fact: CallFact): void {
  calls.value = addCall(calls.value, fact);
}

setInterval(() => {
  calls.value = addSecond(calls.value);
}, 1000);
