import { createRandom, createVirtualClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createPolicy } from '../../src/policies/index.ts';
import { MAX_EXACT_WEIGHTS } from '../../src/policies/prepare-turns.ts';
import { createPicker, createRequest, idsOf, nodesOf, prepare, SEED, withoutChance, type Node } from './rig.ts';

const WEIGHTED = { name: 'round-robin', weighted: true } as const;
const PLAIN = { name: 'round-robin', weighted: false } as const;

/** nginx's algorithm as published: each swings by its weight, the first of the farthest goes back by the total. */
function nginx(weights: readonly number[], count: number): number[] {
  const swings = weights.map(() => 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Array.from({ length: count }, () => {
    let best = 0;
    for (const [i, weight] of weights.entries()) {
      swings[i] = (swings[i] as number) + weight;
      if (swings[i] > (swings[best] as number)) best = i;
    }
    swings[best] = (swings[best] as number) - total;
    return best;
  });
}

describe('round-robin', () => {
  it.each([
    [[5, 1, 1], 'aabacaa'],
    [[2, 1], 'aba'],
    [[1, 2, 1], 'bacb'],
    [[4, 3, 2], 'abcabacba'],
    [[1, 1, 1], 'abcabc'],
  ])('swings smoothly by weight %j', (weights, expected) => {
    const picker = createPicker(WEIGHTED, nodesOf(weights), withoutChance());
    expect(idsOf(picker, expected.length).join('')).toBe(expected);
    expect(idsOf(picker, expected.length).join('')).toBe(expected);
  });

  it('has the order of nginx for any weights up to its limit, for any number of members', () => {
    const random = createRandom(SEED);
    for (let run = 0; run < 60; run++) {
      const count = 1 + Math.floor(random() * 200);
      const kinds = 1 + Math.floor(random() * MAX_EXACT_WEIGHTS);
      const values = Array.from({ length: kinds }, () => 1 + Math.floor(random() ** 3 * 2_000));
      const weights = Array.from({ length: count }, () => values[Math.floor(random() * kinds)] as number);
      const nodes = nodesOf(weights);
      const picker = createPicker(WEIGHTED, nodes, withoutChance());
      const picks = 3_000;
      const got = idsOf(picker, picks);
      const expected = nginx(weights, picks).map((i) => nodes[i]?.id);
      expect(got, `run ${run}, SEED=${SEED}`).toEqual(expected);
    }
  });

  it('has the order of nginx for 10,000 members', () => {
    const random = createRandom(SEED);
    const weights = Array.from({ length: 10_000 }, () => 1 + Math.floor(random() * MAX_EXACT_WEIGHTS));
    const nodes = nodesOf(weights);
    const picker = createPicker(WEIGHTED, nodes, withoutChance());
    expect(idsOf(picker, 1_000)).toEqual(nginx(weights, 1_000).map((i) => nodes[i]?.id));
  });

  it('does not look at weights unless told to', () => {
    expect(idsOf(createPicker(PLAIN, nodesOf([5, 1, 1]), withoutChance()), 6).join('')).toBe('abcabc');
  });

  it('begins at a place of chance', () => {
    const firsts = Array.from({ length: 50 }, (_, i) =>
      idsOf(createPicker(PLAIN, nodesOf([1, 1, 1, 1]), createVirtualClock(SEED + i)), 1).join(''),
    );
    expect(new Set(firsts).size, `SEED=${SEED}`).toBe(4);
  });

  it('goes on where it was when somebody comes or goes', () => {
    const policy = createPolicy(PLAIN, withoutChance());
    const [a, b, c, d] = nodesOf([1, 1, 1, 1]) as [Node, Node, Node, Node];
    expect(idsOf(prepare(policy, [a, b, c]), 2).join('')).toBe('ab');
    // Who comes stands with those who have had their turn, or the turn of the others would be late.
    expect(idsOf(prepare(policy, [a, b, c, d]), 5).join('')).toBe('cdabc');
    expect(idsOf(prepare(policy, [a, c, d]), 4).join('')).toBe('dacd');
  });

  it('keeps the turn of those who stay when somebody comes back after a while', () => {
    const policy = createPolicy(PLAIN, withoutChance());
    const [a, b, c, d] = nodesOf([1, 1, 1, 1]) as [Node, Node, Node, Node];
    idsOf(prepare(policy, [a, b, c, d]), 1);
    expect(idsOf(prepare(policy, [a, b, c]), 4).join('')).toBe('bcab');
    // What was known when d left must not count for the others any more: c is due, and d was when it left.
    expect(idsOf(prepare(policy, [a, b, c, d]), 2).join('')).toBe('cd');
  });

  it('keeps a turn of its own for each set that it was prepared for', () => {
    const policy = createPolicy(PLAIN, withoutChance());
    const near = prepare(policy, nodesOf([1, 1]));
    const far = prepare(policy, nodesOf([1, 1]));
    const request = createRequest();
    const ids = Array.from({ length: 4 }, () => [near.pick(request)?.id, far.pick(request)?.id].join(''));
    expect(ids).toEqual(['aa', 'bb', 'aa', 'bb']);
  });

  it('keeps swings when weights change at each pick, as in a slow start', () => {
    const policy = createPolicy(WEIGHTED, withoutChance());
    const nodes = nodesOf([10, 10, 10, 1]);
    const counts = new Map<string, number>();
    for (let step = 0; step < 1_000; step++) {
      (nodes[3] as Node).weight = 1 + step / 10_000;
      const [id] = idsOf(prepare(policy, nodes), 1) as [string];
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect(counts.get('d')).toBeGreaterThanOrEqual(32);
    expect(counts.get('d')).toBeLessThanOrEqual(36);
  });

  it('gives the turn of who is out to others in order, and does not make up for a long absence', () => {
    const nodes = nodesOf([1, 1, 1]);
    const picker = createPicker(PLAIN, nodes, withoutChance());
    const request = createRequest();
    request.isOut = ({ id }) => id === 'a';
    expect(idsOf(picker, 6, request).join('')).toBe('bcbcbc');
    for (let i = 0; i < 1_000; i++) picker.pick(request);
    request.isOut = undefined;
    const after = idsOf(picker, 12, request);
    expect(after.filter((id) => id === 'a').length).toBeLessThanOrEqual(6);
    expect(new Set(after.slice(-3))).toEqual(new Set(['a', 'b', 'c']));
  });

  it('puts members together by like weight above its limit, and stays smooth', () => {
    const random = createRandom(SEED);
    const weights = Array.from({ length: 500 }, () => 1 + random() * 99);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const nodes = nodesOf(weights);
    const picker = createPicker(WEIGHTED, nodes);
    const picks = 100_000;
    const counts = new Map<string, number>();
    for (const id of idsOf(picker, picks)) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const { id, weight } of nodes) {
      const due = (picks * weight) / total;
      // Chance alone would be off by the root of what is due: about 14 on the mean, and more than 40 for some.
      expect(Math.abs((counts.get(id) ?? 0) - due), `${id} of ${weight}, SEED=${SEED}`).toBeLessThan(2 + due * 0.01);
    }
  });
});
