import { createVirtualClock, endpointKey, type Endpoint } from '@bascule/core';
import { createMembership } from '@bascule/discovery';
import { describe, expect, it } from 'vitest';
import { viewDiscovery } from '../../src/control/views.ts';
import type { MemberReport } from '../../src/snapshot.ts';
import { endpointOf } from '../support.ts';

const NOW_MS = createVirtualClock().wallMs();

function rig() {
  const clock = createVirtualClock();
  const membership = createMembership({ clock, onChange() {} });
  const { listener } = membership.join({ name: 'a' });
  listener.status({ state: 'connected', sinceMs: 7 });
  const tell = (...endpoints: Endpoint[]): void =>
    listener.changes(endpoints.map((endpoint) => ({ type: 'insert', endpoint })));
  return { clock, membership, listener, tell };
}

function reportOf(endpoint: Endpoint, overrides: Partial<MemberReport> = {}): MemberReport {
  return {
    service: endpoint.services[0] ?? '',
    key: endpointKey(endpoint),
    endpoint,
    state: 'ready',
    sinceMs: 0,
    standing: 'in',
    latencyMs: undefined,
    problem: '',
    openCalls: 0,
    calls: 0,
    failures: 0,
    ...overrides,
  };
}

const one = endpointOf({ instanceId: 'one', services: ['a.A'] });
const KEY = endpointKey(one);

describe('the view of discovery', () => {
  it('calls an endpoint connecting until its first check has answered', () => {
    const { membership, tell } = rig();
    tell(one);
    const state = (): unknown =>
      viewDiscovery([{ members: [reportOf(one)] }], membership).endpoints.map((view) => [view.state, view.cause]);
    membership.report(KEY, { verdict: 'pending', why: 'not answered yet' });
    expect(state()).toEqual([['connecting', 'not answered yet']]);
    membership.report(KEY, { verdict: 'failing', why: 'refused' });
    expect(state()).toEqual([['failing', 'refused']]);
    membership.report(KEY, { verdict: 'passing' });
    expect(state()).toEqual([['ready', '']]);
  });

  it('shows an IPv6 address as URLs write it', () => {
    const { membership, tell } = rig();
    tell({ ...one, host: '2001:db8::1' });
    expect(viewDiscovery([], membership).endpoints).toMatchObject([{ address: '[2001:db8::1]:9' }]);
  });

  it('adds up what the threads say of an endpoint, the best way to it and all its calls', () => {
    const { membership, tell } = rig();
    tell(one);
    const { endpoints } = viewDiscovery(
      [
        { members: [reportOf(one, { state: 'connecting', openCalls: 1, calls: 2, failures: 3 })] },
        { members: [reportOf(one, { openCalls: 10, calls: 20, failures: 30 })] },
      ],
      membership,
    );
    expect(endpoints).toEqual([
      {
        cluster: 'a.A',
        instanceId: 'one',
        incarnation: 1,
        address: '127.0.0.1:9',
        services: ['a.A'],
        moduleVersion: '',
        weight: 1,
        zone: '',
        openCalls: 11,
        calls: 22,
        failures: 33,
        state: 'ready',
        source: 'a',
        cause: '',
        sinceMs: NOW_MS,
        latencyMs: 0,
      },
    ]);
  });

  it('shows who is ejected by all threads, and says it of who is by some', () => {
    const { membership, tell } = rig();
    tell(one);
    const ejected = { standing: 'ejected', problem: '5 failures in a row' } as const;
    const seen = (...reports: Partial<MemberReport>[]): unknown => {
      const { endpoints } = viewDiscovery(
        reports.map((report) => ({ members: [reportOf(one, report)] })),
        membership,
      );
      return [endpoints[0]?.state, endpoints[0]?.cause, endpoints[0]?.latencyMs];
    };
    expect(seen(ejected, { ...ejected, latencyMs: 7 })).toEqual(['ejected', '5 failures in a row', 7]);
    expect(seen(ejected, {})).toEqual(['ready', 'in 1 of 2 threads: 5 failures in a row', 0]);
    expect(seen({ standing: 'probing', problem: 'one call at a time' })).toEqual(['probing', 'one call at a time', 0]);
    expect(seen({ standing: 'unused', state: 'connecting', problem: 'outside the subset' })).toEqual([
      'unused',
      'outside the subset',
      0,
    ]);
  });

  it('shows what no thread knows yet, a line for each service, and those that offer none', () => {
    const { membership, tell } = rig();
    tell(endpointOf({ instanceId: 'two', services: ['a.A', 'b.B'] }));
    tell(endpointOf({ instanceId: 'idle', port: 10, services: [] }));
    const { endpoints } = viewDiscovery([], membership);
    expect(endpoints.map(({ cluster, instanceId, state }) => [cluster, instanceId, state])).toEqual([
      ['a.A', 'two', 'connecting'],
      ['b.B', 'two', 'connecting'],
      ['', 'idle', 'connecting'],
    ]);
  });

  it('says which of the two is wrong: what checks find, or what the source does not know', () => {
    const { membership, tell, listener, clock } = rig();
    tell(one);
    const stateOf = (reported: MemberReport['state'] = 'ready') => {
      const [view] = viewDiscovery([{ members: [reportOf(one, { state: reported })] }], membership).endpoints;
      return [view?.state, view?.cause, view?.sinceMs];
    };
    expect(stateOf('connecting')).toEqual(['connecting', '', 0]);
    clock.advance(1);
    listener.changes([{ type: 'doubt', key: KEY, why: 'it has started anew' }]);
    expect(stateOf()).toEqual(['absent', 'a: it has started anew', NOW_MS + 1]);
    expect(stateOf('connecting')).toEqual(['connecting', 'a: it has started anew', 0]);
    clock.advance(1);
    listener.changes([{ type: 'update', endpoint: one }]);
    membership.report(KEY, { verdict: 'failing', why: 'connection refused' });
    expect(stateOf()).toEqual(['failing', 'connection refused', NOW_MS + 2]);
    membership.report(KEY, { verdict: 'passing' });
    listener.changes([{ type: 'update', endpoint: { ...one, health: 'draining' } }]);
    expect(stateOf()).toEqual(['draining', 'a says that it is draining', NOW_MS + 2]);
  });

  it('names every source that knows an endpoint, the best first', () => {
    const { membership, tell } = rig();
    const second = membership.join({ name: 'b', rank: 1 });
    second.listener.changes([{ type: 'insert', endpoint: endpointOf({ instanceId: 'other', services: ['a.A'] }) }]);
    expect(viewDiscovery([], membership).endpoints).toMatchObject([{ instanceId: 'other', source: 'b' }]);
    tell(one);
    expect(viewDiscovery([], membership)).toMatchObject({
      endpoints: [{ instanceId: 'one', source: 'a,b' }],
      sources: [
        { name: 'a', state: 'connected', sinceMs: 7, error: '', rank: 0, endpoints: 1 },
        { name: 'b', state: 'connecting', rank: 1, endpoints: 1 },
      ],
    });
  });

  it('tells of who has left why and when, also while its last calls go on', () => {
    const { membership, tell, listener } = rig();
    tell(one);
    listener.changes([{ type: 'remove', key: KEY, cause: 'deregistered' }]);
    const view = viewDiscovery([{ members: [reportOf(one, { state: 'draining', openCalls: 1 })] }], membership);
    const left = { instanceId: 'one', address: '127.0.0.1:9', source: 'a', cause: 'deregistered' };
    expect(view.endpoints).toMatchObject([{ ...left, state: 'draining', sinceMs: NOW_MS, openCalls: 1 }]);
    expect(view.removals).toMatchObject([{ ...left, incarnation: 1, services: ['a.A'], atMs: NOW_MS }]);
  });

  it('shows module versions, which no source knows', () => {
    const version = endpointOf({ instanceId: 'ranking@1', protocol: 'port', moduleVersion: '1.0.0' });
    const { endpoints } = viewDiscovery([{ members: [reportOf(version)] }], rig().membership);
    expect(endpoints).toMatchObject([{ address: 'module', source: 'module', state: 'ready', moduleVersion: '1.0.0' }]);
  });

  it('says why an endpoint cannot be reached, and since when', () => {
    const { membership, tell } = rig();
    tell(one);
    const lost = reportOf(one, { state: 'connecting', sinceMs: 42, problem: 'connection refused' });
    const { endpoints } = viewDiscovery([{ members: [lost] }], membership);
    expect(endpoints[0]).toMatchObject({ state: 'connecting', cause: 'connection refused', sinceMs: 42 });
  });
});
