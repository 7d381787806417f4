import { endpointKey } from '@bascule/core';
import type { SourceStatus } from '@bascule/discovery';
import type { EndpointViewData } from '../admin/views.ts';
import type { DataReport, MemberReport } from '../snapshot.ts';
import type { KnownEndpoint, SourceName } from './directory.ts';

/** Best first: an endpoint that one data thread can reach is reachable. */
const STATES = ['ready', 'connecting', 'draining'] as const;

/** Endpoints as an operator sees them: what the data threads say, added up, with the source that told of each. */
export function viewEndpoints(
  reports: readonly DataReport[],
  known: readonly KnownEndpoint[],
  registryState: SourceStatus['state'] | undefined,
): EndpointViewData[] {
  // Without a word from the registry, what is known is what was known last.
  const nameOf = (source: SourceName) =>
    source === 'registry' && registryState !== 'connected' ? 'last-known' : source;
  const sources = new Map(known.map(({ endpoint, source }) => [endpointKey(endpoint), nameOf(source)] as const));
  const views = new Map<string, EndpointViewData>();
  for (const member of reports.flatMap((report) => report.members)) {
    const id = `${member.service} ${member.key}`;
    const view = viewOf(member, sources.get(member.key) ?? 'module');
    const same = views.get(id);
    views.set(id, same === undefined ? view : add(same, view));
  }
  return [...views.values()];
}

function viewOf(member: MemberReport, source: EndpointViewData['source']): EndpointViewData {
  const { endpoint, state, openCalls, calls, failures } = member;
  return {
    cluster: member.service,
    instanceId: endpoint.instanceId,
    incarnation: endpoint.incarnation,
    address: endpoint.protocol === 'port' ? 'module' : `${endpoint.host}:${endpoint.port}`,
    services: endpoint.services,
    moduleVersion: endpoint.moduleVersion,
    state,
    source,
    weight: endpoint.weight,
    openCalls,
    calls,
    failures,
    zone: endpoint.zone,
  };
}

function add(a: EndpointViewData, b: EndpointViewData): EndpointViewData {
  return {
    ...a,
    state: STATES.find((state) => a.state === state || b.state === state) ?? a.state,
    openCalls: a.openCalls + b.openCalls,
    calls: a.calls + b.calls,
    failures: a.failures + b.failures,
  };
}
