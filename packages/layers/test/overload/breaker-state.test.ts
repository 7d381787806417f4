import { createRandom, type BreakerPolicy } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { admits, CLOSED, nextState, type BreakerEvent, type BreakerState } from '../../src/overload/breaker-state.ts';

const POLICY: BreakerPolicy = { name: 'x', errorPercent: 50, minCalls: 10, windowMs: 10_000, openMs: 100, probes: 2 };
const NOW = 1_000;

const OPEN: BreakerState = { name: 'open', untilMs: 1_100, openMs: 100 };
const half = (running: number, succeeded: number, probedMs = NOW): BreakerState => ({
  name: 'half-open',
  openMs: 100,
  running,
  succeeded,
  probedMs,
});

describe('nextState', () => {
  it.each<[BreakerState, BreakerEvent, BreakerState]>([
    [CLOSED, 'trip', OPEN],
    [CLOSED, 'probe', CLOSED],
    [CLOSED, 'probe-bad', CLOSED],
    [OPEN, 'probe', half(1, 0)],
    [OPEN, 'trip', OPEN],
    [OPEN, 'probe-good', OPEN],
    [half(1, 0), 'probe', half(2, 0)],
    [half(2, 0), 'probe', half(2, 0)],
    [half(2, 0), 'probe-good', half(1, 1)],
    [half(1, 1), 'probe-good', CLOSED],
    [half(2, 0), 'probe-gone', half(1, 0)],
    [half(0, 1), 'probe-gone', half(0, 1)],
    [half(1, 1), 'probe-bad', { name: 'open', untilMs: 1_200, openMs: 200 }],
    [half(1, 1), 'trip', half(1, 1)],
  ])('%j, %s', (state, event, next) => {
    expect(nextState(state, event, POLICY, NOW)).toEqual(next);
  });

  it('doubles the time each time probes fail, up to ten times the first', () => {
    const times: number[] = [];
    let state = nextState(CLOSED, 'trip', POLICY, 0);
    for (let i = 0; i < 7; i++) {
      times.push((state as { openMs: number }).openMs);
      state = nextState(nextState(state, 'probe', POLICY, 0), 'probe-bad', POLICY, 0);
    }
    expect(times).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000]);
  });
});

describe('admits', () => {
  it.each([
    [CLOSED, NOW, 'pass'],
    [OPEN, 1_099, 'refuse'],
    [OPEN, 1_100, 'probe'],
    [half(1, 0), NOW, 'probe'],
    [half(2, 0), NOW, 'refuse'],
    [half(1, 1), NOW, 'refuse'],
    [half(2, 0), NOW + 99, 'refuse'],
    [half(2, 0), NOW + 100, 'probe'],
  ] as const)('%j at %d: %s', (state, nowMs, way) => {
    expect(admits(state, POLICY, nowMs)).toBe(way);
  });

  it('never gets stuck, and never has more probes than allowed, on a random walk', () => {
    const { seed, numRuns } = fuzzing(20_000);
    const failing = `seed ${seed}`;
    const random = createRandom(seed);
    const events: BreakerEvent[] = ['trip', 'probe-good', 'probe-bad', 'probe-gone'];
    let state: BreakerState = CLOSED;
    let nowMs = 0;
    let lastPassMs = 0;
    for (let i = 0; i < numRuns; i++) {
      nowMs += Math.floor(random() * 60);
      if (random() < 0.5) {
        const way = admits(state, POLICY, nowMs);
        if (way === 'probe') state = nextState(state, 'probe', POLICY, nowMs);
        if (way !== 'refuse') lastPassMs = nowMs;
      } else {
        state = nextState(state, events[Math.floor(random() * 4)] as BreakerEvent, POLICY, nowMs);
      }
      if (state.name === 'half-open') {
        expect(state.running + state.succeeded, failing).toBeLessThanOrEqual(POLICY.probes + state.succeeded);
        expect(state.running, failing).toBeLessThanOrEqual(POLICY.probes);
        expect(state.succeeded, failing).toBeLessThan(POLICY.probes);
      }
      // Whatever happens, ten times the open time and a probe's silence later somebody gets through.
      expect(nowMs - lastPassMs, failing).toBeLessThan(4_000);
    }
  });
});
