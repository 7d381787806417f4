import { Code, ConnectError } from '@connectrpc/connect';
import { createVirtualClock } from '@bascule/core';
import { describe, expect, it, vi } from 'vitest';
import type { DiscoveryViewData } from '../../src/admin/views.ts';
import { createViewWatch } from '../../src/control/watch-views.ts';
import { PLACES, viewOf } from '../admin/samples.ts';

function rig() {
  const clock = createVirtualClock();
  const listeners = new Set<() => void>();
  const state = { view: viewOf(PLACES), looks: 0 };
  const watch = createViewWatch({
    clock,
    async view() {
      state.looks++;
      return state.view;
    },
    onNews(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  });
  const news = (): void => listeners.forEach((listener) => listener());
  /** Time goes on as soon as somebody waits for it. */
  async function advance(ms: number): Promise<void> {
    await vi.waitFor(() => expect(clock.pending()).toBe(1));
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
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
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    state.view = viewOf({ ...PLACES, state: 'failing' });
    news();
    await advance(249);
    expect(seen).toHaveLength(1);
    await advance(1);
    await vi.waitFor(() => expect(seen.at(-1)?.endpoints[0]?.state).toBe('failing'));
    leaving.abort();
    await ended;
    expect([listeners.size, clock.pending()]).toEqual([0, 0]);
  });

  it('shows what nobody tells of within a second, and counts of calls alone are no change', async () => {
    const { state, watch, advance } = rig();
    const { seen, ended } = follow(watch.watch(new AbortController().signal));
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    state.view = viewOf({ ...PLACES, calls: 11, openCalls: 5, failures: 2 });
    await advance(250);
    await advance(750);
    await vi.waitFor(() => expect(state.looks).toBe(2));
    expect(seen).toHaveLength(1);
    state.view = viewOf({ ...PLACES, state: 'connecting' });
    await advance(250);
    await advance(750);
    await vi.waitFor(() => expect(seen).toHaveLength(2));
    watch.close();
    await ended;
  });

  it('wakes for news between two looks', async () => {
    const { state, watch, news, advance } = rig();
    const { seen, ended } = follow(watch.watch(new AbortController().signal));
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    await advance(250);
    state.view = viewOf();
    news();
    await vi.waitFor(() => expect(seen).toHaveLength(2));
    watch.close();
    await ended;
  });

  it('lets 32 watch, and another when one has gone', async () => {
    const { watch } = rig();
    const leaving = new AbortController();
    const first = follow(watch.watch(leaving.signal));
    const others = Array.from({ length: 31 }, () => follow(watch.watch(new AbortController().signal)));
    await vi.waitFor(() => expect(others.at(-1)?.seen).toHaveLength(1));
    const refused = await follow(watch.watch(new AbortController().signal)).ended.catch((error: unknown) => error);
    expect(ConnectError.from(refused).code).toBe(Code.ResourceExhausted);
    leaving.abort();
    await first.ended;
    const next = follow(watch.watch(new AbortController().signal));
    await vi.waitFor(() => expect(next.seen).toHaveLength(1));
    watch.close();
    await Promise.all([next.ended, ...others.map(({ ended }) => ended)]);
  });
});
