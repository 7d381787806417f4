import { createVirtualClock, OK_OUTCOME, type Endpoint } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createBalancer, resolveBalancing, type BalancingPolicy } from '../../src/index.ts';
import { createLinks, endpointOf, headOf } from '../rig.ts';

const { seed: SEED } = fuzzing(1);

function setUp(endpoints: readonly Endpoint[], overrides: Partial<BalancingPolicy> = {}) {
  const links = createLinks();
  const clock = createVirtualClock(SEED);
  const policy = { name: 'random', weighted: true } as const;
  const balancing = resolveBalancing({ policy, ...overrides });
  const balancer = createBalancer({ balancing, clock, connect: links.connect });
  balancer.apply(endpoints.map((endpoint) => ({ type: 'insert', endpoint })));
  return { balancer, clock, links: links.all };
}

/** `count` endpoints, of which the first `healthy` pass their checks. */
function group(name: string, count: number, healthy: number, fields: Partial<Endpoint> = {}): Endpoint[] {
  return Array.from({ length: count }, (_, i) => {
    return endpointOf(`${name}${i}`, { ...fields, health: i < healthy ? 'healthy' : 'failing' });
  });
}

/** Percent of calls by the first letter of who got them. */
function shares({ balancer }: ReturnType<typeof setUp>, calls = 20_000): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < calls; i++) {
    const lease = balancer.pick(headOf());
    const name = lease?.endpoint.instanceId[0] ?? 'nobody';
    counts[name] = (counts[name] ?? 0) + 100 / calls;
    lease?.release(OK_OUTCOME);
  }
  return counts;
}

const expectShares = (got: Record<string, number>, expected: Record<string, number>): void => {
  expect(Object.keys(got).toSorted()).toEqual(Object.keys(expected).toSorted());
  for (const [name, percent] of Object.entries(expected)) {
    expect(Math.abs((got[name] as number) - percent), `${name}: ${got[name]}, FUZZ_SEED=${SEED}`).toBeLessThan(1.5);
  }
};

const FAR = { priority: 65_536 };

describe('priorities', () => {
  it.each<[string, Endpoint[], Record<string, number>]>([
    ['all healthy', [...group('a', 4, 4), ...group('b', 4, 4, FAR)], { a: 100 }],
    ['three of four', [...group('a', 4, 3), ...group('b', 4, 4, FAR)], { a: 100 }],
    ['half', [...group('a', 4, 2), ...group('b', 4, 4, FAR)], { a: 70, b: 30 }],
    ['a quarter', [...group('a', 4, 1), ...group('b', 4, 4, FAR)], { a: 35, b: 65 }],
    ['nobody', [...group('a', 4, 0), ...group('b', 4, 4, FAR)], { b: 100 }],
    ['a quarter of both', [...group('a', 4, 1), ...group('b', 4, 1, FAR)], { a: 50, b: 50 }],
    ['nobody anywhere: by who is there', [...group('a', 3, 0), ...group('b', 1, 0, FAR)], { a: 75, b: 25 }],
  ])('%s', (_, endpoints, expected) => {
    expectShares(shares(setUp(endpoints)), expected);
  });

  it('gives nobody anything when nobody is healthy and there is no panic', () => {
    expectShares(shares(setUp(group('a', 4, 0), { panicPercent: 0 }), 10), { nobody: 100 });
  });

  it('serves by the few among thousands that are healthy', () => {
    expectShares(shares(setUp([...group('b', 999, 0), ...group('a', 1, 1)], { panicPercent: 0 })), { a: 100 });
  });

  it('spills over where all of a priority are full', () => {
    const { balancer } = setUp([...group('a', 1, 1), ...group('b', 1, 1, FAR)], { maxOpenCallsPerEndpoint: 2 });
    const leases = Array.from({ length: 5 }, () => balancer.pick(headOf()));
    expect(leases.map((lease) => lease?.endpoint.instanceId)).toEqual(['a0', 'a0', 'b0', 'b0', undefined]);
  });

  it('tells who waits when somebody full has room again', () => {
    const { balancer, clock } = setUp(group('a', 1, 1), { maxOpenCallsPerEndpoint: 1 });
    let told = 0;
    const lease = balancer.pick(headOf());
    balancer.onReady(() => void told++);
    lease?.release(OK_OUTCOME);
    clock.advance(0);
    expect([told, clock.pending(), balancer.pick(headOf())?.endpoint.instanceId]).toEqual([1, 0, 'a0']);
  });
});

describe('panic', () => {
  const idsGiven = (set: ReturnType<typeof setUp>) =>
    new Set(Array.from({ length: 400 }, () => set.balancer.pick(headOf())?.endpoint.instanceId));

  it.each([
    [5, 50, 5],
    [4, 50, 10],
    [4, 40, 4],
    [0, 50, 10],
  ])('with %d of 10 healthy and a threshold of %d uses %d', (healthy, panicPercent, used) => {
    expect(idsGiven(setUp(group('a', 10, healthy), { panicPercent })).size).toBe(used);
  });

  it('is ignored while others bear the load', () => {
    expect(idsGiven(setUp([...group('a', 10, 1), ...group('b', 4, 4, FAR)])).size).toBe(1 + 4);
  });

  it('cannot give those that have no way', () => {
    const set = setUp(group('a', 4, 0));
    for (const link of set.links.slice(1)) link.setReady(false);
    expect([...idsGiven(set)]).toEqual(['a0']);
  });
});

describe('localities', () => {
  const zones = (...healthy: number[]) =>
    healthy.flatMap((n, i) => group('xyz'[i] ?? '', 8, n, { zone: 'xyz'[i] ?? '' }));

  it('shares by weight and availability, then among the endpoints of the zone', () => {
    const locality = { kind: 'weights', weights: { x: 1, y: 2 } } as const;
    expectShares(shares(setUp(zones(8, 8), { locality })), { x: 33.3, y: 66.7 });
    expectShares(shares(setUp(zones(4, 8), { locality })), { x: 25.9, y: 74.1 });
  });

  it('keeps calls in the own zone as far as it bears them', () => {
    const locality = { kind: 'zone-aware', ownZone: 'x', minEndpoints: 6, enabledPercent: 100 } as const;
    expectShares(shares(setUp(zones(8, 8), { locality })), { x: 100 });
    expectShares(shares(setUp(zones(4, 8, 0), { locality })), { x: 100 });
    expectShares(shares(setUp([...zones(2), ...group('y', 6, 6, { zone: 'y' })], { locality, panicPercent: 0 })), {
      x: 50,
      y: 50,
    });
  });

  it('looks at no zone in panic', () => {
    const locality = { kind: 'weights', weights: { x: 1, y: 99 } } as const;
    expectShares(shares(setUp(zones(3, 3), { locality })), { x: 50, y: 50 });
  });

  it('goes to another zone when all of the one that is due were tried', () => {
    const locality = { kind: 'weights', weights: { x: 1, y: 0 } } as const;
    const { balancer } = setUp([...group('x', 1, 1, { zone: 'x' }), ...group('y', 1, 1, { zone: 'y' })], { locality });
    expect(balancer.pick(headOf())?.endpoint.instanceId).toBe('x0');
    expect(balancer.pick(headOf(['x0#1']))?.endpoint.instanceId).toBe('y0');
  });
});

describe('hashing', () => {
  const policy = { name: 'maglev', tableSize: 251 } as const;
  const pickFor = ({ balancer }: ReturnType<typeof setUp>, low: number) => {
    const head = headOf();
    head.call.affinity = { hash: { high: Math.imul(low, 0x9e3779b1) >>> 0, low }, instanceId: undefined };
    return balancer.pick(head)?.endpoint.instanceId ?? '';
  };

  it('keeps a key in its priority and zone, and shares keys by the loads', () => {
    const endpoints = [
      ...group('a', 8, 4, { zone: 'x' }),
      ...group('b', 4, 4, { ...FAR, zone: 'x' }),
      ...group('c', 4, 4, { ...FAR, zone: 'y' }),
    ];
    const locality = { kind: 'weights', weights: { x: 1, y: 1 } } as const;
    const set = setUp(endpoints, { policy, locality });
    const counts: Record<string, number> = {};
    for (let key = 0; key < 5_000; key++) {
      const id = pickFor(set, key);
      expect(pickFor(set, key)).toBe(id);
      counts[id[0] as string] = (counts[id[0] as string] ?? 0) + 1 / 50;
    }
    for (const [name, percent] of [
      ['a', 70],
      ['b', 15],
      ['c', 15],
    ] as const) {
      expect(Math.abs((counts[name] ?? 0) - percent), `${name}: ${counts[name]}`).toBeLessThan(2.5);
    }
  });
});

describe('sticky sessions', () => {
  const headFor = (instanceId: string, tried: string[] = []) => {
    const head = headOf(tried);
    head.call.affinity = { hash: undefined, instanceId };
    return head;
  };

  it('takes the endpoint that is named while it can take calls and was not tried', () => {
    const { balancer, links } = setUp(group('a', 4, 4), { maxOpenCallsPerEndpoint: 8 });
    const pick = (tried: string[] = []) => balancer.pick(headFor('a2', tried))?.endpoint.instanceId;
    expect([pick(), pick(), pick()]).toEqual(['a2', 'a2', 'a2']);
    expect(pick(['a2#1'])).not.toBe('a2');
    links[2]?.setReady(false);
    expect(pick()).not.toBe('a2');
    links[2]?.setReady(true);
    expect(Array.from({ length: 5 }, () => pick())).toEqual(['a2', 'a2', 'a2', 'a2', 'a2']);
    // 8 open calls: full.
    expect(pick()).not.toBe('a2');
    expect(balancer.pick(headFor('nobody'))?.endpoint.instanceId).toMatch(/^a/);
  });
});

describe('subsets and connections', () => {
  it('opens no way to those outside, and gives them no call', () => {
    const { balancer, links } = setUp(group('a', 20, 20), { subset: { kind: 'random', size: 5, seed: 3 } });
    expect(links).toHaveLength(5);
    const views = balancer.members();
    expect(views.filter(({ standing }) => standing === 'unused')).toHaveLength(15);
    const unused = views.find(({ standing }) => standing === 'unused');
    expect(unused?.problem).toBe('outside the subset');
    balancer.configure(resolveBalancing());
    expect([links.length, balancer.members().every(({ state }) => state === 'ready')]).toEqual([20, true]);
  });

  it('counts none of those outside: neither for panic nor for priorities', () => {
    const endpoints = [...group('a', 10, 10), ...group('b', 10, 10, FAR)];
    const { balancer, links } = setUp(endpoints, { subset: { kind: 'random', size: 4, seed: 3 } });
    const isUsed = new Set(links.map(({ endpoint }) => endpoint.instanceId));
    const isNear = [...isUsed].some((id) => id.startsWith('a'));
    for (let i = 0; i < 50; i++) {
      const id = balancer.pick(headOf())?.endpoint.instanceId ?? '';
      expect([isUsed.has(id), id.startsWith('a')]).toEqual([true, isNear]);
    }
  });

  it('moves one way when one endpoint of a subset leaves', () => {
    const { balancer, links } = setUp(group('a', 20, 20), { subset: { kind: 'random', size: 5, seed: 3 } });
    const key = `${links[0]?.endpoint.instanceId}#1`;
    balancer.apply([{ type: 'remove', key, cause: 'retired' }]);
    expect(links.map(({ life }) => life)).toEqual(['closing', 'open', 'open', 'open', 'open', 'open']);
  });

  it('opens no more ways than allowed, those of the lowest priorities first', () => {
    const endpoints = [...group('b', 3, 3, FAR), ...group('a', 3, 3)];
    const { balancer, links } = setUp(endpoints, { maxConnections: 4 });
    expect(links.map(({ endpoint }) => endpoint.instanceId).toSorted()).toEqual(['a0', 'a1', 'a2', 'b0']);
    expect(balancer.members().find(({ key }) => key === 'b2#1')?.problem).toBe('beyond 4 connections');
    balancer.apply([{ type: 'remove', key: 'a1#1', cause: 'retired' }]);
    expect(links.at(-1)?.endpoint.instanceId).toBe('b1');
  });
});
