import { endpointKey, formatAddress, type Endpoint } from '@bascule/core';
import type { MemberRecord, RemovalRecord, SourceRecord } from '@bascule/discovery';
import type { DiscoveryViewData, EndpointViewData, RemovalViewData, SourceViewData } from '../admin/views.ts';
import type { DataReport, MemberReport } from '../snapshot.ts';
import type { Discovery } from './discovery.ts';

/** Best first: an endpoint that one data thread can reach is reachable. */
const REACHES = ['ready', 'connecting', 'draining'] as const;

/** What the data threads say of an endpoint in one service, added up. */
interface Reached extends Pick<MemberReport, 'state' | 'sinceMs' | 'problem' | 'openCalls' | 'calls' | 'failures'> {
  readonly latencyMs: number;
  readonly threads: number;
  /** Threads whose balancer leaves it out, and what they say of it. */
  readonly out: readonly Pick<MemberReport, 'standing' | 'problem'>[];
}

/** Not reported by any thread yet. */
const UNREACHED: Reached = {
  state: 'connecting',
  sinceMs: 0,
  problem: '',
  openCalls: 0,
  calls: 0,
  failures: 0,
  latencyMs: 0,
  threads: 0,
  out: [],
};

interface Line {
  readonly service: string;
  readonly endpoint: Endpoint;
  readonly key: string;
  reached: Reached;
}

/** Endpoints as an operator sees them: what the data threads say, with what sources and checks say of each. */
export function viewDiscovery(
  reports: readonly Pick<DataReport, 'members'>[],
  discovery: Pick<Discovery, 'members' | 'removals' | 'sources'>,
): DiscoveryViewData {
  const members = new Map(discovery.members().map((record) => [record.key, record]));
  const removals = discovery.removals();
  const left = new Map(removals.toReversed().map((removal) => [endpointKey(removal.endpoint), removal]));
  return {
    endpoints: linesOf(reports, [...members.values()]).map((line) => {
      return viewOf(line, members.get(line.key), left.get(line.key));
    }),
    removals: removals.map(viewRemoval),
    sources: discovery.sources().map(viewSource),
  };
}

/** A line for each endpoint of each service, those that no thread knows yet as well. */
function linesOf(reports: readonly Pick<DataReport, 'members'>[], members: readonly MemberRecord[]): Line[] {
  const lines = new Map<string, Line>();
  for (const member of reports.flatMap((report) => report.members)) {
    const { service, key, endpoint } = member;
    const id = `${service} ${key}`;
    const same = lines.get(id);
    const reached = reachedBy(member);
    if (same === undefined) lines.set(id, { service, endpoint, key, reached });
    else same.reached = add(same.reached, reached);
  }
  for (const { key, endpoint } of members) {
    for (const service of endpoint.services.length === 0 ? [''] : endpoint.services) {
      const id = `${service} ${key}`;
      if (!lines.has(id)) lines.set(id, { service, endpoint, key, reached: UNREACHED });
    }
  }
  return [...lines.values()];
}

function reachedBy({ standing, latencyMs = 0, ...member }: MemberReport): Reached {
  const { state, sinceMs, problem, openCalls, calls, failures } = member;
  const out = standing === 'in' ? [] : [{ standing, problem }];
  return { state, sinceMs, problem, openCalls, calls, failures, latencyMs, threads: 1, out };
}

function add(a: Reached, b: Reached): Reached {
  const best = REACHES.find((state) => a.state === state || b.state === state) ?? a.state;
  const { state, sinceMs, problem } = a.state === best ? a : b;
  return {
    state,
    sinceMs,
    problem,
    openCalls: a.openCalls + b.openCalls,
    calls: a.calls + b.calls,
    failures: a.failures + b.failures,
    latencyMs: Math.max(a.latencyMs, b.latencyMs),
    threads: a.threads + b.threads,
    out: [...a.out, ...b.out],
  };
}

function viewOf(line: Line, record: MemberRecord | undefined, removal: RemovalRecord | undefined): EndpointViewData {
  // The threads may be a moment behind, and what is shown together should be of one moment.
  const endpoint = record?.endpoint ?? line.endpoint;
  const { openCalls, calls, failures, latencyMs } = line.reached;
  const { instanceId, incarnation, services, moduleVersion, weight, zone } = endpoint;
  return {
    cluster: line.service,
    instanceId,
    incarnation,
    address: addressOf(endpoint),
    services,
    moduleVersion,
    weight,
    zone,
    openCalls,
    calls,
    failures,
    latencyMs,
    ...stateOf(line, record, removal),
  };
}

function stateOf(
  { reached, endpoint }: Line,
  record: MemberRecord | undefined,
  removal: RemovalRecord | undefined,
): Pick<EndpointViewData, 'state' | 'source' | 'cause' | 'sinceMs'> {
  if (endpoint.protocol === 'port') {
    return { state: reached.state, source: 'module', cause: '', sinceMs: 0, ...standingOf(reached) };
  }
  if (record === undefined) {
    const { source = '', cause = '', atMs = 0 } = removal ?? {};
    return { state: 'draining', source, cause, sinceMs: atMs };
  }
  const { health = 'healthy' } = record.endpoint;
  const source = record.sources.join(',');
  const { cause, sinceMs } = record;
  if (record.isPending) {
    return { state: record.said.health === 'draining' ? 'draining' : 'connecting', source, cause, sinceMs };
  }
  if (health !== 'healthy') return { state: health, source, cause, sinceMs };
  if (reached.state !== 'ready' && reached.out.every(({ standing }) => standing !== 'unused')) {
    return { state: 'connecting', source, cause: reached.problem || cause, sinceMs: reached.sinceMs };
  }
  const state = record.presence === 'doubted' ? 'absent' : 'ready';
  return { state, source, cause, sinceMs, ...standingOf(reached) };
}

/** Each thread judges by the calls it has seen itself: what all say is a state, what some say only a cause. */
function standingOf({ out, threads }: Reached): Partial<Pick<EndpointViewData, 'state' | 'cause'>> {
  const [first] = out;
  if (first === undefined) return {};
  if (out.length < threads) return { cause: `in ${out.length} of ${threads} threads: ${first.problem}` };
  return { state: first.standing === 'in' ? 'ready' : first.standing, cause: first.problem };
}

function viewRemoval({ endpoint, source, cause, atMs }: RemovalRecord): RemovalViewData {
  const { instanceId, incarnation, services } = endpoint;
  return { instanceId, incarnation, address: addressOf(endpoint), services, source, cause, atMs };
}

function viewSource({ name, rank, status, endpoints }: SourceRecord): SourceViewData {
  const { state, sinceMs, error = '' } = status;
  return { name, rank, endpoints, state, sinceMs, error };
}

function addressOf(endpoint: Endpoint): string {
  return endpoint.protocol === 'port' ? 'module' : formatAddress(endpoint);
}
