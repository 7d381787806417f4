import { Code, createVirtualClock, OK_OUTCOME, type Outcome, type AttemptNote, type PickNote } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createBalancer, resolveBalancing, type BalancingPolicy } from '../../src/index.ts';
import { createLinks, endpointOf, headOf } from '../rig.ts';

const FAILED: Outcome = { code: Code.unavailable, by: 'callee', message: '' };

function setUp(endpoints: readonly ReturnType<typeof endpointOf>[], overrides: Partial<BalancingPolicy> = {}) {
  const links = createLinks();
  const clock = createVirtualClock(3);
  const policy = { name: 'round-robin', weighted: true } as const;
  const balancing = resolveBalancing({ policy, ...overrides });
  const balancer = createBalancer({ balancing, clock, connect: links.connect });
  balancer.apply(endpoints.map((endpoint) => ({ type: 'insert', endpoint })));
  const explain = (tried: string[] = [], instanceId?: string): PickNote | undefined => {
    const head = headOf(tried);
    const picking: AttemptNote = {
      kind: 'first',
      startedMs: 0,
      pick: undefined,
      endedMs: undefined,
      outcome: undefined,
    };
    head.call.explanation = { dryRun: false, notes: [], attempts: [], picking };
    if (instanceId !== undefined) head.call.affinity = { hash: undefined, instanceId };
    balancer.pick(head);
    return picking.pick;
  };
  return { balancer, links: links.all, clock, explain };
}

describe('explaining a pick', () => {
  it('says who, from where, why, and why nobody else', () => {
    const { explain, balancer, links } = setUp(
      [
        endpointOf('good', { zone: 'x' }),
        endpointOf('down'),
        endpointOf('failing', { health: 'failing' }),
        endpointOf('draining', { health: 'draining' }),
        endpointOf('resting', { weight: 0 }),
        endpointOf('tried', { zone: 'x' }),
        endpointOf('bad'),
        endpointOf('full', { zone: 'x' }),
        endpointOf('far', { priority: 7 }),
        endpointOf('elsewhere', { zone: 'y' }),
      ],
      { maxOpenCallsPerEndpoint: 1, locality: { kind: 'weights', weights: { x: 1, y: 0, '': 0 } }, panicPercent: 0 },
    );
    links[1]?.setReady(false);
    const leases = Array.from({ length: 3 }, () => balancer.pick(headOf()));
    for (const lease of leases) if (lease?.endpoint.instanceId !== 'full') lease?.release(OK_OUTCOME);
    for (let i = 0; i < 5; i++) {
      balancer.pick(headOf(['good#1', 'tried#1', 'full#1', 'elsewhere#1', 'far#1']))?.release(FAILED);
    }
    expect(explain(['tried#1'])).toEqual({
      endpoint: 'good',
      address: '127.0.0.1:1',
      policy: 'round-robin',
      group: 'priority 0, zone x',
      reason: expect.stringContaining('next in turn'),
      candidates: 3,
      excluded: [
        { endpoint: 'down', reason: 'connecting' },
        { endpoint: 'failing', reason: 'failing its check' },
        { endpoint: 'draining', reason: 'draining' },
        { endpoint: 'resting', reason: 'weight 0' },
        { endpoint: 'tried', reason: 'tried before' },
        { endpoint: 'bad', reason: 'ejected for 30 s more: 5 failures in a row' },
        { endpoint: 'full', reason: 'full: 1 open calls' },
        { endpoint: 'far', reason: 'in priority 7' },
        { endpoint: 'elsewhere', reason: 'in zone y' },
      ],
    });
  });

  it('says panic, and those outside of a subset', () => {
    const ill = Array.from({ length: 4 }, (_, i) => endpointOf(`e${i}`, { health: 'failing' }));
    expect(setUp(ill).explain()).toMatchObject({
      group: 'priority 0, all used though 0 of 4 are healthy (panic)',
      candidates: 4,
      excluded: [],
    });
    const subset = { kind: 'random', size: 1, seed: 1 } as const;
    const outside = { reason: 'outside the subset', endpoint: expect.any(String) };
    const set = setUp([endpointOf('a'), endpointOf('b')], { subset, panicPercent: 0 });
    expect(set.explain()?.excluded).toEqual([outside]);
  });

  it('says that the session named it', () => {
    const { explain } = setUp([endpointOf('a'), endpointOf('b')]);
    expect(explain([], 'b')).toMatchObject({ endpoint: 'b', reason: 'sticky session', candidates: 1, excluded: [] });
  });

  it('says why nobody could take the call', () => {
    const { explain } = setUp([endpointOf('a', { weight: 0 })]);
    expect(explain()).toMatchObject({
      endpoint: '',
      reason: 'nobody can take calls',
      excluded: [{ endpoint: 'a', reason: 'weight 0' }],
    });
  });

  it('names no more than a person can read', () => {
    const many = Array.from({ length: 300 }, (_, i) => endpointOf(`e${i}`, { health: 'draining' }));
    expect(setUp([...many, endpointOf('good')]).explain()?.excluded).toHaveLength(100);
  });
});
