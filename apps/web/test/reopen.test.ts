import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readUntilDone } from '../src/rpc/reopen.ts';

describe('readUntilDone', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('reads again after a break, waiting longer each time, and soon again after an answer', async () => {
    const startedMs: number[] = [];
    const broken: unknown[] = [];
    const done = readUntilDone({
      signal: new AbortController().signal,
      async read(onAnswer) {
        startedMs.push(Date.now());
        if (startedMs.length === 4) onAnswer();
        if (startedMs.length < 6) throw new ConnectError('gone', Code.Unavailable);
      },
      onBroken: (reason) => broken.push(reason),
    });
    await vi.advanceTimersByTimeAsync(60_000);
    await done;
    const waits = startedMs.slice(1).map((at, i) => at - (startedMs[i] ?? 0));
    expect(waits).toEqual([400, 800, 1600, 400, 800]);
    expect(broken).toHaveLength(5);
  });

  test('stops at once when it is not wanted any more, also while it waits', async () => {
    const controller = new AbortController();
    let reads = 0;
    const done = readUntilDone({
      signal: controller.signal,
      async read() {
        reads += 1;
        throw new ConnectError('gone', Code.Unavailable);
      },
      onBroken: () => undefined,
    });
    await vi.advanceTimersByTimeAsync(10);
    controller.abort();
    await done;
    expect(reads).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
