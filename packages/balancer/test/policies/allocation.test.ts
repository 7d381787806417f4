import { systemClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createPicker, createRequest, nodesOf } from './rig.ts';
import { SPECS } from './specs.ts';

// A file of its own, hence a process: V8 has seen one clock here, as in production. Of a clock that might be another, each
// number of chance would be an object.

/** Picks per round: enough for a few bytes each to be seen, too few for a collection in each. */
const PICKS = 20_000;
const ROUNDS = 60;
/** Below the smallest object that V8 has, 16 bytes for a boxed number; above what its own threads add meanwhile. */
const MAX_BYTES_PER_PICK = 6;

const WEIGHTS: readonly [string, (i: number) => number][] = [
  ['equal', () => 1],
  ['few', (i) => 1 + (i % 5)],
  ['all different', (i) => 1 + i / 7],
];

describe.each(Object.entries(SPECS))('%s', (_, spec) => {
  it.each(WEIGHTS)('allocates nothing per pick: weights %s', (_weights, weightOf) => {
    const nodes = nodesOf(Array.from({ length: 500 }, (_node, i) => weightOf(i)));
    for (const [i, node] of nodes.entries()) {
      node.latency.record(5 + (i % 7), 0);
      node.report = { utilization: 0.2 + (i % 50) / 100, qps: 100, eps: 1, atMs: systemClock.nowMs(), firstMs: 0 };
    }
    const picker = createPicker(spec, nodes, systemClock);
    const request = createRequest();
    let least = Infinity;
    // The first rounds are not optimised yet, and V8 may compile or collect in any of them.
    for (let round = 0; round < ROUNDS && least > MAX_BYTES_PER_PICK; round++) {
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < PICKS; i++) {
        request.hashHigh = Math.imul(i, 0x85eb_ca6b) & 0x3fff_ffff;
        request.hashLow = Math.imul(i, 0x9e37_79b1) & 0x3fff_ffff;
        request.nowMs = (i & 0xffff) + 0.25;
        if (picker.pick(request) === undefined) throw new Error('nobody was picked');
      }
      const grown = process.memoryUsage().heapUsed - before;
      if (grown >= 0) least = Math.min(least, grown / PICKS);
    }
    expect(least).toBeLessThan(MAX_BYTES_PER_PICK);
  });
});
