import { Code, createVirtualClock, OK_OUTCOME, type Outcome } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createBalancer, resolveBalancing, type Balancer, type BalancingPolicy } from '../src/index.ts';
import { createLinks, endpointOf, headOf, keyOf } from './rig.ts';

function setUp(overrides: Partial<BalancingPolicy> = {}, readyAtOnce = true) {
  const policy = { name: 'round-robin', weighted: true } as const;
  const links = createLinks(readyAtOnce);
  const drained: string[] = [];
  const balancer = createBalancer({
    balancing: resolveBalancing({ policy, ...overrides }),
    clock: createVirtualClock(7),
    connect: links.connect,
    onDrained: (key) => void drained.push(key),
  });
  return { links: links.all, drained, balancer };
}

const insert = (balancer: Balancer, ...endpoints: ReturnType<typeof endpointOf>[]) =>
  balancer.apply(endpoints.map((endpoint) => ({ type: 'insert', endpoint })));

const pickId = (balancer: Balancer, tried: string[] = []) => balancer.pick(headOf(tried))?.endpoint.instanceId;

describe('createBalancer', () => {
  it('lends nothing while nobody is ready, and tells when somebody is', () => {
    const { balancer, links } = setUp({}, false);
    let told = 0;
    balancer.onReady(() => void told++);
    insert(balancer, endpointOf('a'));
    expect([balancer.pick(headOf()), told, balancer.members()[0]?.state]).toEqual([undefined, 0, 'connecting']);
    links[0]?.setReady(true);
    expect([pickId(balancer), told, balancer.members()[0]?.state]).toEqual(['a', 1, 'ready']);
    links[0]?.setReady(false);
    expect(balancer.pick(headOf())).toBeUndefined();
  });

  it('counts load on lending and gives it back exactly once', () => {
    const { balancer } = setUp();
    insert(balancer, endpointOf('a'));
    const lease = balancer.pick(headOf());
    expect(balancer.members()[0]).toMatchObject({ openCalls: 1, calls: 1, failures: 0 });
    lease?.release({ code: Code.unavailable, by: 'wire', message: '' });
    expect(balancer.members()[0]).toMatchObject({ openCalls: 0, calls: 1, failures: 1 });
    expect(() => lease?.release(OK_OUTCOME)).toThrow('released twice');
    expect(balancer.members()[0]?.openCalls).toBe(0);
  });

  it.each<[string, Outcome, number]>([
    ['ok', OK_OUTCOME, 0],
    ['a refusal by the handler', { code: Code.notFound, by: 'callee', message: '' }, 0],
    ['a caller that left', { code: Code.canceled, by: 'caller', message: '' }, 0],
    ['an internal error', { code: Code.internal, by: 'callee', message: '' }, 1],
    ['a deadline', { code: Code.deadlineExceeded, by: 'wire', message: '' }, 1],
  ])('books %s', (_, outcome, failures) => {
    const { balancer } = setUp();
    insert(balancer, endpointOf('a'));
    balancer.pick(headOf())?.release(outcome);
    expect(balancer.members()[0]?.failures).toBe(failures);
  });

  it('keeps load and link over an update of fields', () => {
    const { balancer, links } = setUp();
    insert(balancer, endpointOf('a'));
    balancer.pick(headOf());
    balancer.apply([{ type: 'update', endpoint: endpointOf('a', { weight: 5, zone: 'z' }) }]);
    expect(links).toHaveLength(1);
    expect(balancer.members()).toMatchObject([{ openCalls: 1, calls: 1, endpoint: { weight: 5, zone: 'z' } }]);
  });

  it('lends no failing and no draining endpoint, and keeps its link, load and history meanwhile', () => {
    const { balancer, links } = setUp({ panicPercent: 0 });
    let told = 0;
    balancer.onReady(() => void told++);
    insert(balancer, endpointOf('a'), endpointOf('b'));
    const leases = [balancer.pick(headOf()), balancer.pick(headOf())];
    expect(new Set(leases.map((lease) => lease?.endpoint.instanceId))).toEqual(new Set(['a', 'b']));
    const before = told;
    balancer.apply([{ type: 'update', endpoint: endpointOf('a', { health: 'failing' }) }]);
    expect(Array.from({ length: 4 }, () => pickId(balancer))).toEqual(['b', 'b', 'b', 'b']);
    // Not even for a call that has tried all others.
    expect(pickId(balancer, [keyOf('b')])).toBe('b');
    balancer.apply([{ type: 'update', endpoint: endpointOf('b', { health: 'draining' }) }]);
    expect(balancer.pick(headOf())).toBeUndefined();
    expect(links.map(({ life }) => life)).toEqual(['open', 'open']);
    expect(balancer.members().map(({ state, openCalls, calls }) => [state, openCalls, calls])).toEqual([
      ['ready', 1, 1],
      ['ready', 6, 6],
    ]);
    balancer.apply([{ type: 'update', endpoint: endpointOf('a', { health: 'healthy' }) }]);
    expect(pickId(balancer)).toBe('a');
    expect(told).toBeGreaterThan(before);
    for (const lease of leases) lease?.release(OK_OUTCOME);
    expect(links).toHaveLength(2);
  });

  it('lends those that fail their checks rather than nobody, but nobody that drains', () => {
    const { balancer } = setUp();
    insert(balancer, endpointOf('a', { health: 'failing' }), endpointOf('b', { health: 'draining' }));
    expect([pickId(balancer), pickId(balancer)]).toEqual(['a', 'a']);
    balancer.apply([{ type: 'update', endpoint: endpointOf('b') }]);
    expect([pickId(balancer), pickId(balancer)]).toEqual(['b', 'b']);
  });

  it('goes to the next priority while nobody of the first is healthy', () => {
    const { balancer } = setUp();
    insert(balancer, endpointOf('a'), endpointOf('b', { priority: 65_536 }));
    expect(pickId(balancer)).toBe('a');
    balancer.apply([{ type: 'update', endpoint: endpointOf('a', { health: 'failing' }) }]);
    expect(pickId(balancer)).toBe('b');
    balancer.apply([{ type: 'update', endpoint: endpointOf('a') }]);
    expect(pickId(balancer)).toBe('a');
  });

  it('reconnects on a new address, drains the old link, keeps load, and ignores the old link from then on', async () => {
    const { balancer, links, drained } = setUp();
    insert(balancer, endpointOf('a'));
    const lease = balancer.pick(headOf());
    balancer.apply([{ type: 'update', endpoint: endpointOf('a', { port: 2 }) }]);
    expect(links.map((link) => link.life)).toEqual(['closing', 'open']);
    expect(lease?.endpoint.port).toBe(1);
    links[0]?.setReady(false);
    expect(balancer.pick(headOf())?.endpoint.port).toBe(2);
    expect(balancer.members()).toMatchObject([{ state: 'ready', openCalls: 2 }]);
    links[0]?.finish();
    await Promise.resolve();
    expect(drained).toEqual([]);
  });

  it('reconnects when an endpoint begins to speak TLS', () => {
    const { balancer, links } = setUp();
    insert(balancer, endpointOf('a'));
    balancer.apply([{ type: 'update', endpoint: endpointOf('a', { tls: true }) }]);
    balancer.apply([{ type: 'update', endpoint: endpointOf('a', { tls: true, weight: 2 }) }]);
    expect(links.map((link) => link.life)).toEqual(['closing', 'open']);
  });

  it('drains what is removed: no new picks, shown until its last call ends, then told', async () => {
    const { balancer, links, drained } = setUp();
    insert(balancer, endpointOf('a'));
    const lease = balancer.pick(headOf());
    balancer.apply([{ type: 'remove', key: keyOf('a'), cause: 'deregistered' }]);
    expect(balancer.pick(headOf())).toBeUndefined();
    expect(balancer.members()).toMatchObject([{ state: 'draining', openCalls: 1 }]);
    links[0]?.setReady(false);
    links[0]?.setReady(true);
    expect([balancer.pick(headOf()), balancer.members()[0]?.state]).toEqual([undefined, 'draining']);
    lease?.release(OK_OUTCOME);
    expect(drained).toEqual([]);
    links[0]?.finish();
    await balancer.close();
    expect([drained, balancer.members()]).toEqual([[keyOf('a')], []]);
  });

  it('waits for its own leases where a shared link closes at once', async () => {
    const { balancer, links, drained } = setUp();
    insert(balancer, endpointOf('a'));
    const lease = balancer.pick(headOf());
    balancer.apply([{ type: 'remove', key: keyOf('a'), cause: 'retired' }]);
    links[0]?.finish();
    await new Promise(setImmediate);
    expect([drained, balancer.members().length]).toEqual([[], 1]);
    lease?.release(OK_OUTCOME);
    await balancer.close();
    expect([drained, balancer.members()]).toEqual([[keyOf('a')], []]);
  });

  it('does not call a key drained that has come back', async () => {
    const { balancer, links, drained } = setUp();
    insert(balancer, endpointOf('a'));
    balancer.apply([{ type: 'remove', key: keyOf('a'), cause: 'lease-expired' }]);
    insert(balancer, endpointOf('a'));
    links[0]?.finish();
    await new Promise(setImmediate);
    const lease = balancer.pick(headOf());
    expect([drained, lease?.endpoint.instanceId]).toEqual([[], 'a']);
    lease?.release(OK_OUTCOME);
    const closing = balancer.close();
    links[1]?.finish();
    await closing;
    expect(drained).toEqual([keyOf('a')]);
  });

  it('takes the lowest priority value that has somebody ready', () => {
    const { balancer, links } = setUp();
    insert(balancer, endpointOf('far', { priority: 1 }), endpointOf('near'));
    expect([pickId(balancer), pickId(balancer)]).toEqual(['near', 'near']);
    links[1]?.setReady(false);
    expect(pickId(balancer)).toBe('far');
  });

  it('gives weight 0 no new calls, even alone', () => {
    const { balancer } = setUp();
    insert(balancer, endpointOf('a', { weight: 0 }));
    expect(pickId(balancer)).toBeUndefined();
    balancer.apply([{ type: 'update', endpoint: endpointOf('a') }]);
    expect(pickId(balancer)).toBe('a');
  });

  it('avoids what was tried while there are others, over priorities too', () => {
    const { balancer } = setUp();
    insert(balancer, endpointOf('a'), endpointOf('b'), endpointOf('far', { priority: 1 }));
    for (let i = 0; i < 10; i++) {
      expect(pickId(balancer, [keyOf('a')])).toBe('b');
      expect(pickId(balancer, [keyOf('a'), keyOf('b')])).toBe('far');
    }
    expect(pickId(balancer, [keyOf('a'), keyOf('b'), keyOf('far')])).not.toBe('far');
  });

  it('ignores the removal of somebody unknown and cuts links when destroyed', () => {
    const { balancer, links } = setUp();
    balancer.apply([{ type: 'remove', key: 'x#1', cause: 'retired' }]);
    insert(balancer, endpointOf('a'), endpointOf('b'));
    balancer.apply([{ type: 'remove', key: keyOf('b'), cause: 'retired' }]);
    balancer.destroy();
    expect(links.map((link) => link.life)).toEqual(['destroyed', 'destroyed']);
  });
});
