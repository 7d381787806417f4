import { createRandom, createVirtualClock, OK_OUTCOME, type Lease } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createBalancer } from '../src/index.ts';
import { POLICIES, type PolicyName } from '../src/policies/index.ts';
import { createCandidates, indexAt, type Candidates } from '../src/policy.ts';
import { createLinks, endpointOf, headOf, keyOf, type TestLink } from './rig.ts';

interface Node {
  readonly id: string;
  readonly weight: number;
  openCalls: number;
}

const SEED = Number(process.env['SEED'] ?? 20_261_121);
const NAMES = Object.keys(POLICIES) as PolicyName[];

function candidatesOf(weights: readonly number[], loads: readonly number[] = []): Candidates<Node> {
  const nodes = weights.map((weight, i) => ({ id: 'abcdefgh'[i] as string, weight, openCalls: loads[i] ?? 0 }));
  return createCandidates(nodes) as Candidates<Node>;
}

function shares(name: PolicyName, candidates: Candidates<Node>, picks: number): Record<string, number> {
  const policy = POLICIES[name](createVirtualClock(SEED));
  const counts: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const { id } = policy(candidates);
    counts[id] = (counts[id] ?? 0) + 1 / picks;
  }
  return counts;
}

describe.each(NAMES)('policy %s', (name) => {
  it.each([[[1, 1, 1]], [[3, 1]], [[100, 1, 99]], [[0.5, 0.5, 1]]])('shares an idle set by weight %j', (weights) => {
    const candidates = candidatesOf(weights);
    const got = shares(name, candidates, 40_000);
    for (const { id, weight } of candidates.members) {
      expect(Math.abs((got[id] ?? 0) - weight / candidates.totalWeight), `${id}, SEED=${SEED}`).toBeLessThan(0.015);
    }
  });

  it('picks a single one', () => {
    expect(shares(name, candidatesOf([7]), 10)).toEqual({ a: expect.closeTo(1) });
  });

  // 100,000 steps against a model: what a wrong ready list, a lost lease or a stale candidate would break.
  it('walks at random without lending the wrong one or losing a lease', { timeout: 60_000 }, async () => {
    const random = createRandom(SEED);
    const links = createLinks(false);
    const newest = new Map<string, TestLink>();
    const balancer = createBalancer({
      policy: name,
      clock: createVirtualClock(SEED),
      connect(endpoint) {
        const link = links.connect(endpoint);
        newest.set(endpoint.instanceId, link);
        return link;
      },
    });
    const model = new Map<string, { weight: number; priority: number; port: number }>();
    const leases: Lease[] = [];
    const int = (n: number): number => Math.floor(random() * n);
    for (let step = 0; step < 100_000; step++) {
      const id = `e${int(12)}`;
      const key = keyOf(id);
      const said = `step ${step}, SEED=${SEED}`;
      const choice = int(100);
      if (choice < 4) {
        const fields = { weight: int(4), priority: int(2), port: 1 + int(2) };
        balancer.apply([{ type: model.has(id) ? 'update' : 'insert', endpoint: endpointOf(id, fields) }]);
        model.set(id, fields);
      } else if (choice < 6) {
        balancer.apply([{ type: 'remove', key, cause: 'deregistered' }]);
        if (model.delete(id)) newest.get(id)?.finish();
      } else if (choice < 16) {
        newest.get(id)?.setReady(random() < 0.8);
      } else if (choice < 60) {
        const able = [...model].filter(([n, m]) => m.weight > 0 && newest.get(n)?.isReady() === true);
        const tried = random() < 0.3 ? [key, keyOf(`e${int(12)}`)] : [];
        const lease = balancer.pick(headOf(tried));
        if (able.length === 0) {
          expect(lease, said).toBeUndefined();
          continue;
        }
        const untried = able.filter(([n]) => !tried.includes(keyOf(n)));
        const pool = untried.length > 0 ? untried : able;
        const priority = Math.min(...pool.map(([, m]) => m.priority));
        const allowed = pool.filter(([, m]) => m.priority === priority).map(([n]) => n);
        expect(allowed.includes(lease?.endpoint.instanceId ?? ''), said).toBe(true);
        leases.push(lease as Lease);
      } else if (leases.length > 0) {
        const [lease] = leases.splice(int(leases.length), 1);
        lease?.release(OK_OUTCOME);
      }
    }
    for (const lease of leases) lease.release(OK_OUTCOME);
    for (const member of balancer.members()) expect(member.openCalls, `${member.key}, SEED=${SEED}`).toBe(0);
    const closed = balancer.close();
    for (const link of links.all) link.finish();
    await closed;
    expect(balancer.members()).toEqual([]);
  });
});

describe('round-robin', () => {
  it('takes turns', () => {
    const policy = POLICIES['round-robin'](createVirtualClock(SEED));
    const candidates = candidatesOf([1, 1, 1]);
    const ids = Array.from({ length: 6 }, () => policy(candidates).id);
    expect(new Set(ids.slice(0, 3)).size).toBe(3);
    expect(ids.slice(3)).toEqual(ids.slice(0, 3));
  });

  it.each([
    [[5, 1, 1], 'aabacaa'],
    [[2, 1], 'aba'],
    [[1, 2, 1], 'bacb'],
  ])('swings smoothly by weight %j', (weights, expected) => {
    const policy = POLICIES['round-robin'](createVirtualClock(SEED));
    const candidates = candidatesOf(weights);
    expect(Array.from(expected, () => policy(candidates).id).join('')).toBe(expected);
  });
});

describe('least-request', () => {
  it('compares two different ones: with two members the less loaded always wins', () => {
    expect(shares('least-request', candidatesOf([1, 1], [0, 1]), 1000)).toEqual({ a: expect.closeTo(1) });
    expect(shares('least-request', candidatesOf([1, 3], [0, 1]), 1000)).toEqual({ a: expect.closeTo(1) });
    expect(shares('least-request', candidatesOf([3, 1], [9, 0]), 1000)).toEqual({ b: expect.closeTo(1) });
  });

  it('never takes the most loaded of many', () => {
    expect(shares('least-request', candidatesOf([1, 1, 1, 1], [9, 10, 8, 7]), 5000)['b']).toBeUndefined();
  });

  it('counts load by weight', () => {
    // 4 of weight 4 is less busy than 2 of weight 1.
    expect(shares('least-request', candidatesOf([4, 1], [4, 2]), 1000)).toEqual({ a: expect.closeTo(1) });
  });

  it('moves load away from one that is slow to give back', () => {
    const policy = POLICIES['least-request'](createVirtualClock(SEED));
    const candidates = candidatesOf([1, 1, 1]);
    const open: Node[] = [];
    const counts = { a: 0, b: 0, c: 0 } as Record<string, number>;
    for (let i = 0; i < 3000; i++) {
      const node = policy(candidates);
      node.openCalls++;
      counts[node.id] = (counts[node.id] as number) + 1;
      open.push(node);
      // Calls to `a` take fifty times as long.
      for (const done of open.splice(0).toReversed()) {
        if (done.id === 'a' && i % 50 !== 0) open.push(done);
        else done.openCalls--;
      }
    }
    expect((counts['a'] as number) / 3000, `SEED=${SEED}`).toBeLessThan(0.1);
  });
});

describe('indexAt', () => {
  it.each([
    [0, 0],
    [0.99, 0],
    [1, 1],
    [2.5, 1],
    [3, 2],
    [99, 2],
  ])('finds the share that holds %d', (point, index) => {
    expect(indexAt([1, 3, 4], point)).toBe(index);
  });
});
