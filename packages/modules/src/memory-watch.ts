import type { Clock, Timer } from '@bascule/core';
import { formatMib, type ModuleLimits } from './limits.ts';
import type { Thread } from './worker-thread.ts';

/**
 * Ends a thread that holds too much outside the JavaScript heap. The host looks, not the worker: one that allocates
 * without a break would never come to report. Stops by itself with the thread, or when cancelled.
 */
export function watchMemory(thread: Thread, limits: ModuleLimits, clock: Clock): Timer {
  let watching = true;
  let timer = clock.after(limits.memoryCheckMs, check);
  function check(): void {
    thread.externalBytes().then(
      (bytes) => {
        if (!watching) return;
        if (bytes > limits.maxExternalBytes) void thread.end(describeExcess(bytes, limits));
        else timer = clock.after(limits.memoryCheckMs, check);
      },
      // It ended while it was asked.
      () => undefined,
    );
  }
  void thread.ended.then(() => cancel());
  function cancel(): void {
    watching = false;
    timer.cancel();
  }
  return { cancel };
}

function describeExcess(bytes: number, limits: ModuleLimits): string {
  return `the worker held ${formatMib(bytes)} outside its JavaScript heap, and ${formatMib(limits.maxExternalBytes)} are allowed`;
}
