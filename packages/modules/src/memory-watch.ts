import type { Clock, Timer } from '@bascule/core';
import { formatMib, lastHeapBytes, type ModuleLimits } from './limits.ts';
import type { Thread } from './worker-thread.ts';

interface Memory {
  readonly heapBytes: number;
  readonly externalBytes: number;
}

type WatchState =
  | { readonly state: 'calm' }
  | { readonly state: 'collecting'; readonly sinceMs: number }
  | { readonly state: 'stopped' };

/** For a busy worker to come to collecting. */
const COLLECT_GRACE_MS = 1_000;

/**
 * Ends a thread that holds too much. The host looks, not the worker: one that allocates without a break would never
 * come to report. Stops by itself with the thread, or when cancelled.
 */
export function watchMemory(thread: Thread, limits: ModuleLimits, clock: Clock): Timer {
  let state: WatchState = { state: 'calm' };
  let timer = clock.after(limits.memoryCheckMs, look);
  function look(): void {
    thread.memory().then(
      (memory) => {
        if (state.state === 'stopped') return;
        judge(memory);
        timer = clock.after(limits.memoryCheckMs, look);
      },
      // It ended while it was asked.
      () => undefined,
    );
  }
  function judge(memory: Memory): void {
    const excess = describeExcess(memory, limits);
    if (excess === undefined) {
      state = { state: 'calm' };
    } else if (isUrgent(memory, limits)) {
      void thread.end(excess);
    } else if (state.state !== 'collecting') {
      // Much of it may be garbage that V8 saw no reason yet to collect.
      state = { state: 'collecting', sinceMs: clock.nowMs() };
      thread.collect();
    } else if (clock.nowMs() - state.sinceMs > COLLECT_GRACE_MS) {
      void thread.end(excess);
    }
  }
  function cancel(): void {
    state = { state: 'stopped' };
    timer.cancel();
  }
  void thread.ended.then(cancel);
  return { cancel };
}

/** Half of the room up to V8's own limit is gone: at the next look it may be too late. */
function isUrgent({ heapBytes, externalBytes }: Memory, limits: ModuleLimits): boolean {
  return heapBytes > (limits.maxHeapBytes + lastHeapBytes(limits)) / 2 || externalBytes > 2 * limits.maxExternalBytes;
}

function describeExcess({ heapBytes, externalBytes }: Memory, limits: ModuleLimits): string | undefined {
  if (heapBytes > limits.maxHeapBytes) {
    return `the worker held ${formatMib(heapBytes)} of JavaScript heap, and ${formatMib(limits.maxHeapBytes)} are allowed`;
  }
  if (externalBytes > limits.maxExternalBytes) {
    return `the worker held ${formatMib(externalBytes)} outside its JavaScript heap, and ${formatMib(limits.maxExternalBytes)} are allowed`;
  }
  return undefined;
}
