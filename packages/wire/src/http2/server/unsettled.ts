import { whenWorkEnds, type CallContext } from '@bascule/core';

/**
 * Counts streams that are gone while their callees still work. Streams, not work, end by a reset: who resets faster
 * than callees give up would otherwise have no limit at all.
 */
export class Unsettled {
  count = 0;

  watch(call: CallContext | undefined): void {
    if (call === undefined || call.work === 0) return;
    this.count += 1;
    whenWorkEnds(call, () => (this.count -= 1));
  }
}
