import { createVirtualClock, OK_OUTCOME, systemClock, type Endpoint } from '@bascule/core';
import { resolveBalancing } from '@bascule/balancer';
import { createKit, type Kit } from '@bascule/kit';
import { createHead } from '@bascule/testing';
import { listen } from '@bascule/wire';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLoads } from '../../src/channel/loads.ts';
import { LeasedReply } from '../../src/channel/leased-call.ts';
import type { Links } from '../../src/channel/links.ts';
import { ServiceClusters } from '../../src/discovery/clusters.ts';
import { endpointOf } from '@bascule/testing';
import { connect } from '../support/calls.ts';
import { seeError } from '../support/scenarios.ts';
import { TestService } from '../support/schema.ts';

/** Links that are ready at once and close at once. */
const links: Pick<Links, 'open'> = {
  open: () => ({
    service: () => expect.unreachable(),
    isReady: () => true,
    onReadyChange() {},
    close: () => Promise.resolve(),
    destroy() {},
  }),
};

/** Who gets the calls of a service, of endpoints that come and change. */
function rig(codec: 'proto' | 'json' = 'proto') {
  const clock = createVirtualClock();
  const clusters = new ServiceClusters({
    clock,
    balancing: resolveBalancing(),
    codec,
    links: links as Links,
    loads: createLoads(clock),
    onReady() {},
  });
  const reply = { head() {}, write() {}, end() {}, fail() {}, grant() {} };
  const reached = (service: string): string[] => {
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const lease = clusters.find(service).pick(createHead(), new LeasedReply(reply));
      if (lease === undefined) continue;
      seen.add(lease.endpoint.instanceId);
      lease.release(OK_OUTCOME);
    }
    return [...seen].toSorted();
  };
  const put = (type: 'insert' | 'update', ...endpoints: Partial<Endpoint>[]): void =>
    clusters.apply(endpoints.map((endpoint) => ({ type, endpoint: endpointOf(endpoint) })));
  return { clusters, reached, put };
}

describe('who answers a service', () => {
  it('is known, says nothing, or has been told it answers any', () => {
    const { reached, put } = rig();
    put('insert', { instanceId: 'a', services: ['x.X'] }, { instanceId: 'b', services: [] });
    expect(reached('x.X')).toEqual(['a', 'b']);
    put('insert', { instanceId: 'c', services: ['*'] }, { instanceId: 'd', services: ['y.Y'] });
    expect(reached('x.X')).toEqual(['a', 'b', 'c']);
    expect(reached('y.Y')).toEqual(['b', 'c', 'd']);
  });

  it('may change, and leave', () => {
    const { clusters, reached, put } = rig();
    put('insert', { instanceId: 'a', services: ['x.X'] }, { instanceId: 'b', services: ['x.X'] });
    expect(reached('x.X')).toEqual(['a', 'b']);
    put('update', { instanceId: 'a', services: ['y.Y'] });
    expect([reached('x.X'), reached('y.Y')]).toEqual([['b'], ['a']]);
    put('update', { instanceId: 'a', services: ['x.X', 'y.Y'] });
    expect(reached('x.X')).toEqual(['a', 'b']);
    clusters.apply([{ type: 'remove', key: 'b#1', cause: 'deregistered' }]);
    expect(reached('x.X')).toEqual(['a']);
    expect(clusters.problem('z.Z')).toBe('nobody is known who answers it');
  });

  it('takes the codec of the calls', () => {
    const { reached, put } = rig('json');
    put('insert', { instanceId: 'a', codecs: ['proto'] }, { instanceId: 'b', codecs: ['proto', 'json'] });
    expect(reached('demo.places.v1.PlacesService')).toEqual(['b']);
  });
});

/** A server that says of itself whether it is well. */
async function startChecked(): Promise<{ kit: Kit; address: string; calls: () => number }> {
  let calls = 0;
  const kit = createKit({
    introspection: true,
    routes: (router) => {
      router.service(TestService, {
        say({ value }) {
          calls++;
          return { value };
        },
      });
    },
  });
  const listener = await listen({ host: '127.0.0.1', port: 0, service: kit.service, clock: systemClock });
  onTestFinished(async () => {
    kit.endWatches();
    await listener.close(0);
  });
  return { kit, address: `127.0.0.1:${listener.port}`, calls: () => calls };
}

describe('endpoints that are checked', () => {
  it('get no calls once they say that they do not serve', async () => {
    const [first, second] = await Promise.all([startChecked(), startChecked()]);
    const probe = { kind: 'grpc', service: undefined, watch: true } as const;
    const sources = [`static:${first.address},${second.address}`];
    await using ours = connect(undefined, { discovery: { sources, healthCheck: { probe, intervalMs: 1_000 } } });
    while (first.calls() === 0 || second.calls() === 0) await ours.client.say({ value: 'a' });
    first.kit.drain();
    let before = -1;
    // The word is on its way: until twenty calls in a row go to the other.
    while (first.calls() !== before) {
      before = first.calls();
      for (let i = 0; i < 20; i++) await ours.client.say({ value: 'b' });
    }
    for (let i = 0; i < 50; i++) await ours.client.say({ value: 'c' });
    expect(first.calls()).toBe(before);
  });

  it('speak JSON where calls do', async () => {
    const { address, calls } = await startChecked();
    await using ours = connect(undefined, { discovery: { sources: [`static:${address}`] }, useBinaryFormat: false });
    expect(await seeError(ours.client.say({ value: 'a' }))).toEqual({ error: 'none' });
    expect(calls()).toBe(1);
  });
});
