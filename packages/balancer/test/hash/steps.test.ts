import { hash64 } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import type { PolicySpec } from '../../src/balancing-policy.ts';
import { HashCache } from '../../src/policies/hash-cache.ts';
import { STEP_UNITS, Work } from '../../src/policies/hash-work.ts';
import { orderById } from '../../src/policies/id-order.ts';
import type { Candidate } from '../../src/policy.ts';
import { backends, build, HASHING, keys, policyOf, requestOf, RING, runToEnd, SEED, type Backend } from './rig.ts';

const LARGE: PolicySpec[] = [...HASHING, { ...RING, minRingSize: 200_000 } as PolicySpec];

/** Runs the steps; how many there were. */
function stepsOf(spec: PolicySpec, members: readonly Candidate[]): number {
  let steps = 0;
  for (const _ of policyOf(spec).prepare(members)) steps++;
  return steps;
}

it('pauses as soon as a step has cost its part, and never runs over it by more than a chunk', () => {
  const work = new Work();
  let runs = 0;
  let sinceLast = 0;
  for (const _ of work.over(100_000, 8, (from, to) => {
    runs += to - from;
    sinceLast += to - from;
    expect(sinceLast).toBeLessThanOrEqual(STEP_UNITS / 8 + 256);
  })) {
    sinceLast = 0;
  }
  expect(runs).toBe(100_000);
});

describe.each(LARGE)('10,000 members of $name', (spec) => {
  it('are prepared in many short steps', () => {
    const members = backends(10_000);
    // Every look at an id is a hash, or a search for one, or a copy: no step may do that for all members.
    let looks = 0;
    let most = 0;
    const watched = members.map((member) => ({
      ...member,
      get id() {
        looks++;
        return member.id;
      },
    }));
    let steps = 0;
    for (const _ of policyOf(spec).prepare(watched)) {
      most = Math.max(most, looks);
      looks = 0;
      steps++;
    }
    expect(steps).toBeGreaterThan(spec.name === 'ring-hash' ? 5 : 20);
    expect(Math.max(most, looks)).toBeLessThanOrEqual(4_000);
  });

  it('leave the picker before as it is while the next one is made', () => {
    const policy = policyOf(spec);
    const members = backends(10_000);
    const picker = build(policy, members);
    const asked = keys(50).map((key) => requestOf(key));
    const before = asked.map((request) => picker.pick(request));
    const gone = before[0];
    for (const _ of policy.prepare(members.filter((member) => member !== gone))) {
      expect(asked.map((request) => picker.pick(request))).toEqual(before);
    }
  });
});

it('takes no pause for a small set but where the table is large', () => {
  expect(stepsOf(RING, backends(3))).toBe(0);
  expect(stepsOf({ name: 'maglev', tableSize: 251 }, backends(3))).toBe(0);
});

it('can be given up half way', () => {
  const policy = policyOf(RING);
  const members = backends(10_000);
  const steps = policy.prepare(members);
  steps.next();
  steps.return(undefined as never);
  const picker = build(policy, members.slice(0, 10));
  expect(picker.pick(requestOf('key'))).toBeDefined();
});

it('keeps what is asked for, and forgets the others', () => {
  const cache = new HashCache<number>();
  cache.set('stays', 1);
  cache.set('goes', 2);
  for (let prepare = 0; prepare < 200; prepare++) {
    cache.turn();
    expect(cache.get('stays')).toBe(1);
  }
  expect(cache.get('goes')).toBeUndefined();
});

it('hashes who is known only once', () => {
  const policy = policyOf({ ...RING, minRingSize: 100_000 } as PolicySpec);
  const members = backends(1_000);
  const count = (list: readonly Backend[]): number => {
    let steps = 0;
    for (const _ of policy.prepare(list)) steps++;
    return steps;
  };
  const cold = count(members);
  // Nobody has more entries than before, so nothing is left but to sort.
  expect(count(members.toReversed())).toBeLessThan(cold / 2);
});

it('sorts ids in steps, from any order', () => {
  const members = backends(5_000);
  const shuffled = members.toSorted((a, b) => hash64(a.id, SEED).low - hash64(b.id, SEED).low);
  for (const list of [members, shuffled, members.toReversed(), members.slice(0, 1), []]) {
    const order = [...runToEnd(orderById(list, new Work()))].map((index) => list[index]?.id);
    expect(order).toEqual(list.map(({ id }) => id).sort());
  }
});
