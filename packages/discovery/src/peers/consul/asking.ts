import type { Clock } from '@bascule/core';
import { waitFor } from '../../waiting.ts';
import type { HttpAnswer } from '../http-answer.ts';
import type { HttpClient } from '../http.ts';
import type { ConsulTarget } from './target.ts';

/** A list of Consul's, at a point of its history. */
export interface ConsulAnswer {
  /** Reads it; throws when it is no JSON. */
  body(): unknown;
  readonly index: number;
  /** Rights were missing for a part of it, as Consul says since 1.11. */
  readonly isFiltered: boolean;
  /** Whether somebody without rights is told nothing instead of everything. */
  readonly deniesByDefault: boolean;
}

/** What a blocking query waits for. */
export interface Blocking {
  /** Answer when the index is above this; 0: at once. */
  readonly index: number;
  readonly waitMs: number;
  /** Of the leader, which asks the others first whether it still is. */
  readonly isConsistent?: boolean;
}

/** A follower that has heard nothing of the leader for longer may tell what was true long ago. */
const MAX_LAST_CONTACT_MS = 10_000;
/** Consul waits up to a sixteenth longer; the rest is for an answer of some megabytes, and for a turn among many. */
const MARGIN_MS = 45_000;

/** Asks Consul for a list. Throws when the answer is none: without an index, or from a server that knows no leader. */
export async function askConsul(
  http: HttpClient,
  target: ConsulTarget,
  path: string,
  { index, waitMs, isConsistent = target.consistency === 'consistent' }: Blocking,
  signal: AbortSignal,
): Promise<ConsulAnswer> {
  const query = toQuery(target);
  if (isConsistent) query.set('consistent', '');
  // Without it Consul 1.10 and later answer from a view of their own, whatever consistency is asked for.
  if (isConsistent && target.near === undefined) query.set('near', '_agent');
  if (target.near !== undefined) query.set('near', target.near);
  for (const tag of target.tags) query.append('tag', tag);
  if (index > 0) {
    query.set('index', String(index));
    query.set('wait', `${Math.ceil(waitMs)}ms`);
  }
  const timeoutMs = (index > 0 ? waitMs * (1 + 1 / 16) : 0) + MARGIN_MS;
  const waits = index > 0;
  const answer = await http.ask({
    method: 'GET',
    path: `${path}${path.includes('?') ? '&' : '?'}${query.toString()}`,
    timeoutMs,
    waits,
    signal,
  });
  refuseWithoutLeader(answer);
  return {
    body: () => answer.json(),
    index: readIndex(answer),
    isFiltered: answer.header('x-consul-results-filtered-by-acls') === 'true',
    deniesByDefault: answer.header('x-consul-default-acl-policy') === 'deny',
  };
}

/** What every request carries. */
export function toQuery({ dc, namespace }: Pick<ConsulTarget, 'dc' | 'namespace'>): URLSearchParams {
  const query = new URLSearchParams();
  if (dc !== undefined) query.set('dc', dc);
  if (namespace !== undefined) query.set('ns', namespace);
  return query;
}

/** The view that answers blocking queries since Consul 1.10 always says that it knows none. */
const STREAMING = 'streaming';

function refuseWithoutLeader(answer: HttpAnswer): void {
  const isView = answer.header('x-consul-query-backend') === STREAMING;
  if (!isView && answer.header('x-consul-knownleader') === 'false') {
    throw new Error('Consul answers without a leader: what it says may have been true long ago');
  }
  const lastContactMs = Number(answer.header('x-consul-lastcontact') ?? 0);
  if (lastContactMs > MAX_LAST_CONTACT_MS) {
    throw new Error(`Consul answers from a server that has not heard of its leader for ${lastContactMs} ms`);
  }
}

function readIndex(answer: HttpAnswer): number {
  const text = answer.header('x-consul-index') ?? '';
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new Error('Consul answers without an index: something else may answer in its place');
}

const HEARTBEAT_MS = 10_000;
const HEARTBEAT_TIMEOUT_MS = 5_000;

/**
 * Asks who leads, again and again: a query that blocks for minutes does not tell a server that hangs from one that has
 * no news. Throws when nobody answers, nobody leads, or `checkNext` throws.
 */
export async function watchLeader(
  {
    http,
    clock,
    checkNext,
  }: { http: HttpClient; clock: Clock; readonly checkNext: (signal: AbortSignal) => Promise<void> },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const request = { method: 'GET', path: '/v1/status/leader', timeoutMs: HEARTBEAT_TIMEOUT_MS, signal } as const;
    const leader = (await http.ask(request)).json();
    if (leader === '') throw new Error('Consul has no leader');
    await checkNext(signal);
    await waitFor(clock, HEARTBEAT_MS, signal);
  }
}
