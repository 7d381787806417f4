import { createVirtualClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import type { PolicySpec } from '../../src/balancing-policy.ts';
import { createPolicy } from '../../src/policies/index.ts';
import { createRequest, nodesOf, prepare, SEED, type Node } from './rig.ts';

const PEAK = { name: 'peak-ewma', decayMs: 10_000, initialMs: 30, choiceCount: 2 } as const;
const MEAN = { name: 'least-response-time', choiceCount: 2 } as const;

interface State {
  /** Samples, in ms, and when they came. */
  readonly samples?: readonly (readonly [sampleMs: number, atMs: number])[];
  readonly open?: number;
  readonly weight?: number;
  readonly readySinceMs?: number;
}

function twoOf(a: State, b: State): Node[] {
  const nodes = nodesOf([a.weight ?? 1, b.weight ?? 1], [a.open ?? 0, b.open ?? 0]);
  for (const [i, { samples = [], readySinceMs = 0 }] of [a, b].entries()) {
    const node = nodes[i] as Node;
    node.readySinceMs = readySinceMs;
    for (const [sampleMs, atMs] of samples) node.latency.record(sampleMs, atMs);
  }
  return nodes;
}

/** Who of two is taken: `a`, `b`, or `ab` where it is as the draw has it. */
function winners(spec: PolicySpec, nodes: readonly Node[], nowMs: number): string {
  const picker = prepare(createPolicy(spec, createVirtualClock(SEED)), nodes);
  const request = { ...createRequest(), nowMs };
  const ids = new Set(Array.from({ length: 200 }, () => picker.pick(request)?.id));
  return ['a', 'b'].filter((id) => ids.has(id)).join('');
}

describe('peak-ewma', () => {
  it.each<[string, State, State, number, string]>([
    ['lower latency', { samples: [[10, 0]] }, { samples: [[11, 0]] }, 0, 'a'],
    ['equal ones', { samples: [[10, 0]] }, { samples: [[10, 0]] }, 0, 'ab'],
    // 10 * (2 + 1) against 20 * (0 + 1).
    ['latency by open calls and the one to come', { samples: [[10, 0]], open: 2 }, { samples: [[20, 0]] }, 0, 'b'],
    ['latency by open calls, the other way', { samples: [[10, 0]], open: 1 }, { samples: [[21, 0]] }, 0, 'a'],
    ['a peak that counts at once', { samples: [[5, 0], [500, 1]] }, { samples: [[100, 0]] }, 1, 'b'], // prettier-ignore
    // 500 e^-2 = 67.7, and 100 e^0.
    ['a peak that has decayed', { samples: [[500, 0]] }, { samples: [[100, 20_000]] }, 20_000, 'a'],
    ['30 ms for one without history', { samples: [[29, 0]] }, {}, 0, 'a'],
    ['30 ms for one without history, the other way', { samples: [[31, 0]] }, {}, 0, 'b'],
    // 30 e^-1 = 11.04.
    ['that decays while it has no call', { samples: [[12, 10_000]] }, {}, 10_000, 'b'],
    ['that decays from when it was ready', { samples: [[12, 10_000]] }, { readySinceMs: 9_000 }, 10_000, 'a'],
    ['that stays while its first call is open: 60', { samples: [[59, 50_000]] }, { open: 1 }, 50_000, 'a'],
    // Mean weight 2: 10 * (6 * 2/3 + 1) = 50 against 10 * (2 * 2/1 + 1) = 50.
    ['load over weight', { samples: [[10, 0]], open: 6, weight: 3 }, { samples: [[10, 0]], open: 2 }, 0, 'ab'],
    [
      'load over weight, one call more',
      { samples: [[10, 0]], open: 7, weight: 3 },
      { samples: [[10, 0]], open: 2 },
      0,
      'b',
    ],
  ])('goes by %s', (_, a, b, nowMs, expected) => {
    expect(winners(PEAK, twoOf(a, b), nowMs), `SEED=${SEED}`).toBe(expected);
  });

  it('asks for latency, with its decay time', () => {
    const policy = createPolicy({ ...PEAK, decayMs: 5_000 }, createVirtualClock(SEED));
    expect([policy.needsLatency, policy.decayMs]).toEqual([true, 5_000]);
  });

  it('says what it went by', () => {
    const nodes = twoOf({ samples: [[10, 0]], open: 1 }, { samples: [[50, 0]] });
    const picker = prepare(createPolicy(PEAK, createVirtualClock(SEED)), nodes);
    const chosen = picker.pick(createRequest()) as Node;
    expect(picker.reason(chosen)).toBe('lowest peak latency by open calls of 2 (10.0 ms, 1 open)');
  });
});

describe('least-response-time', () => {
  it.each<[string, State, State, number, string]>([
    ['lower mean', { samples: [[10, 0]] }, { samples: [[11, 0]] }, 0, 'a'],
    // 10 and 500 after 100 ms: 10 e^-0.01 + 500 (1 - e^-0.01) = 14.9.
    ['the mean, not the peak', { samples: [[10, 0], [500, 100]] }, { samples: [[20, 0]] }, 100, 'a'], // prettier-ignore
    ['mean by open calls and the one to come', { samples: [[10, 0]], open: 2 }, { samples: [[20, 0]] }, 0, 'b'],
    ['no history: one call to find out', { samples: [[1, 0]] }, {}, 0, 'b'],
    ['no history and a call: wait for its answer', { samples: [[1_000, 0]], open: 20 }, { open: 1 }, 0, 'a'],
    ['nobody has a history: fewer calls', { open: 2 }, { open: 1 }, 0, 'b'],
    // 1,000 e^-6 = 2.5: its last sample is 70 s old, 60 more than the decay time.
    ['an old sample that fades', { samples: [[1_000, 0]] }, { samples: [[3, 70_000]] }, 70_000, 'a'],
  ])('goes by %s', (_, a, b, nowMs, expected) => {
    expect(winners(MEAN, twoOf(a, b), nowMs), `SEED=${SEED}`).toBe(expected);
  });
});
