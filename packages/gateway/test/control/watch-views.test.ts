import { Code, ConnectError } from '@connectrpc/connect';
import { createVirtualClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import type { DiscoveryViewData } from '../../src/admin/views.ts';
import { createViewWatch } from '../../src/control/watch-views.ts';
import { PLACES, viewOf } from '../admin/samples.ts';

function rig() {
  const clock = createVirtualClock();
  const listeners = new Set<() => void>();
  const state: { view: DiscoveryViewData | Error; looks: number } = { view: viewOf(PLACES), looks: 0 };
  const watch = createViewWatch({
    clock,
    async view() {
      state.looks++;
      if (state.view instanceof Error) throw state.view;
      return state.view;
    },
    onNews(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  });
  const news = (): void => listeners.forEach((listener) => listener());
  const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  /** Time goes on once all that can be done without it is done. */
  async function advance(ms: number): Promise<void> {
    await settle();
    clock.advance(ms);
    await settle();
  }
  return { clock, state, watch, news, advance, listeners };
}

/** Notes what a watch shows. */
function follow(views: AsyncIterable<DiscoveryViewData>) {
  const seen: DiscoveryViewData[] = [];
  const ended = (async () => {
    for await (const view of views) seen.push(view);
  })();
  return { seen, ended };
}

describe('watching views', () => {
  it('shows the view at once, then each change, and not sooner than four times a second', async () => {
    const { state, watch, news, advance, listeners, clock } = rig();
    const leaving = new AbortController();
    const { seen, ended } = follow(watch.watch(leaving.signal));
    await expect.poll(() => seen).toHaveLength(1);
    state.view = viewOf({ ...PLACES, state: 'failing' });
    news();
    await advance(249);
    expect(seen).toHaveLength(1);
    await advance(1);
    await expect.poll(() => seen.at(-1)?.endpoints[0]?.state).toBe('failing');
    leaving.abort();
    await ended;
    expect([listeners.size, clock.pending()]).toEqual([0, 0]);
  });

  it('shows what nobody tells of within a second, and counts of calls alone are no change', async () => {
    const { state, watch, advance } = rig();
    const { seen, ended } = follow(watch.watch(new AbortController().signal));
    await expect.poll(() => seen).toHaveLength(1);
    state.view = viewOf({ ...PLACES, calls: 11, openCalls: 5, failures: 2 });
    await advance(250);
    await advance(750);
    await expect.poll(() => state.looks).toBe(2);
    expect(seen).toHaveLength(1);
    state.view = viewOf({ ...PLACES, state: 'connecting' });
    await advance(250);
    await advance(750);
    await expect.poll(() => seen).toHaveLength(2);
    watch.close();
    await ended;
  });

  it('wakes for news between two looks', async () => {
    const { state, watch, news, advance } = rig();
    const { seen, ended } = follow(watch.watch(new AbortController().signal));
    await expect.poll(() => seen).toHaveLength(1);
    await advance(250);
    state.view = viewOf();
    news();
    await expect.poll(() => seen).toHaveLength(2);
    watch.close();
    await ended;
  });

  it('looks once for all who watch, and shows whoever is slow the last view alone', async () => {
    const { state, watch, news, advance } = rig();
    const others = [1, 2, 3].map(() => follow(watch.watch(new AbortController().signal)));
    const slow = watch.watch(new AbortController().signal)[Symbol.asyncIterator]();
    const first = (await slow.next()).value as DiscoveryViewData;
    expect(first.endpoints[0]?.state).toBe('ready');
    for (const change of ['failing', 'connecting', 'draining'] as const) {
      state.view = viewOf({ ...PLACES, state: change });
      news();
      await advance(250);
    }
    for (const { seen } of others) await expect.poll(() => seen).toHaveLength(4);
    expect(state.looks).toBe(4);
    const second = (await slow.next()).value as DiscoveryViewData;
    expect(second.endpoints[0]?.state).toBe('draining');
    watch.close();
    expect((await slow.next()).done).toBe(true);
    await Promise.all(others.map(({ ended }) => ended));
  });

  it('ends for all who wait when it cannot look, and begins anew for the next', async () => {
    const { state, watch, advance, clock } = rig();
    const { seen, ended } = follow(watch.watch(new AbortController().signal));
    await expect.poll(() => seen).toHaveLength(1);
    state.view = new Error('a thread has ended');
    const failed = expect(ended).rejects.toThrow('a thread has ended');
    await advance(1_000);
    await failed;
    expect(clock.pending()).toBe(0);
    state.view = viewOf(PLACES);
    const next = follow(watch.watch(new AbortController().signal));
    await expect.poll(() => next.seen).toHaveLength(1);
    watch.close();
    await next.ended;
  });

  it('lets 32 watch, and another when one has gone', async () => {
    const { watch } = rig();
    const leaving = new AbortController();
    const first = follow(watch.watch(leaving.signal));
    const others = Array.from({ length: 31 }, () => follow(watch.watch(new AbortController().signal)));
    await expect.poll(() => others.at(-1)?.seen).toHaveLength(1);
    const refused = await follow(watch.watch(new AbortController().signal)).ended.catch((error: unknown) => error);
    expect(ConnectError.from(refused).code).toBe(Code.ResourceExhausted);
    leaving.abort();
    await first.ended;
    const next = follow(watch.watch(new AbortController().signal));
    await expect.poll(() => next.seen).toHaveLength(1);
    watch.close();
    await Promise.all([next.ended, ...others.map(({ ended }) => ended)]);
  });
});
