import { isIPv6 } from 'node:net';
import { endpointKey, type Endpoint } from '@bascule/core';
import { toShortIpv6 } from '../peers/address.ts';
import type { SourceStatus } from '../source.ts';

/** A source that has joined, with all that it says. */
export interface Origin {
  readonly name: string;
  readonly rank: number;
  /** Who joined first comes first. */
  readonly order: number;
  status: SourceStatus;
  /** Descriptors that it has, by digest. */
  schemaFor(digest: string): Uint8Array | undefined;
  /** By key. */
  readonly statements: Map<string, Statement>;
  readonly doubted: Set<Statement>;
  /** Keys whose explicit removal it has told and that others still hold. */
  readonly hides: Set<string>;
  /** Keys of the last known set that it has not told yet, by instance id. */
  readonly unconfirmed: Map<string, Set<string>>;
}

/** What one source says of one key. */
export interface Statement {
  readonly origin: Origin;
  readonly key: string;
  /** Who was told of first comes first. */
  readonly order: number;
  endpoint: Endpoint;
  address: string;
  /** Why the source doubts it; undefined while it tells it. */
  doubt: string | undefined;
}

/** A source without a word yet. */
export function createOrigin(options: Pick<Origin, 'name' | 'rank' | 'order' | 'status' | 'schemaFor'>): Origin {
  return { ...options, statements: new Map(), doubted: new Set(), hides: new Set(), unconfirmed: new Map() };
}

/**
 * Where calls go: what two sources say of one address is said of one endpoint. A module version has none, since its
 * port is not of the network: it is only itself.
 */
export function addressOf(endpoint: Endpoint): string {
  const { protocol, host, port } = endpoint;
  if (protocol === 'port') return `port ${endpointKey(endpoint)}`;
  // There are many ways to write an IPv6 address.
  return `${isIPv6(host) && !host.includes('%') ? toShortIpv6(host) : host.toLowerCase()}:${port}`;
}

/** Negative when `a` counts before `b`: by rank, told before doubted, the latest start, who joined and came first. */
export function compareStatements(a: Statement, b: Statement): number {
  return (
    a.origin.rank - b.origin.rank ||
    Number(a.doubt !== undefined) - Number(b.doubt !== undefined) ||
    b.endpoint.incarnation - a.endpoint.incarnation ||
    a.origin.order - b.origin.order ||
    a.order - b.order
  );
}

/** The one that counts. */
export function bestOf(statements: Iterable<Statement>): Statement | undefined {
  let best: Statement | undefined;
  for (const statement of statements) {
    if (best === undefined || compareStatements(statement, best) < 0) best = statement;
  }
  return best;
}
