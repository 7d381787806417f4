import { createVirtualClock } from '@bascule/core';
import { expect, it } from 'vitest';
import { CallWindow } from '../../src/overload/call-window.ts';
import { NamedStates } from '../../src/overload/named-states.ts';

it('forgets names that nobody has asked for in ten minutes, when another comes', () => {
  const states = new NamedStates<{ usedMs: number }>();
  states.add('old', { usedMs: 0 });
  states.add('used', { usedMs: 0 });
  expect(states.find('used', 500_000)?.usedMs).toBe(500_000);
  states.add('new', { usedMs: 600_001 });
  expect(['old', 'used', 'new'].map((name) => states.find(name, 600_001) !== undefined)).toEqual([false, true, true]);
});

it('counts a sliding window as one that looks at each call does, to a slot', () => {
  const clock = createVirtualClock(7);
  const window = new CallWindow(1_000, 10, clock.nowMs());
  let calls: { atMs: number; isFailure: boolean }[] = [];
  for (let i = 0; i < 5_000; i++) {
    clock.advance(clock.random() < 0.01 ? clock.random() * 3_000 : clock.random() * 40);
    const nowMs = clock.nowMs();
    const isFailure = clock.random() < 0.3;
    window.add(isFailure, nowMs);
    calls.push({ atMs: nowMs, isFailure });
    const oldest = (Math.floor(nowMs / 100) - 9) * 100;
    calls = calls.filter(({ atMs }) => atMs >= oldest);
    expect(window.calls).toBe(calls.length);
    expect(window.failures).toBe(calls.filter((call) => call.isFailure).length);
  }
  window.clear();
  expect([window.calls, window.failures]).toEqual([0, 0]);
});
