import { randomBytes } from 'node:crypto';
import type { Clock } from '@bascule/core';
import type { ConnectRouter } from '@connectrpc/connect';
import { RegistryService, RemovalCause } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import type { Access } from './access/access.ts';
import { createAudit, type Audit, type AuditEvent } from './access/audit.ts';
import type { ExpiryEvent } from './expiry.ts';
import { encodeRemoval } from './encoded-events.ts';
import { createGate } from './gate.ts';
import { createHistory } from './history.ts';
import type { EndpointRecord } from './lease.ts';
import { createLeases, type LeaseChange } from './leases.ts';
import { DEFAULT_REGISTRY_LIMITS, type RegistryLimits } from './limits.ts';
import { createNamespaces } from './namespaces.ts';
import { createSchemaStore } from './schema-store.ts';
import { createRegistryService } from './service.ts';
import type { RegistryCounters, RegistryStatus } from './status.ts';
import { createStreams } from './streams.ts';

/** The embedded registry: leases with a TTL in memory, and a watch over them. */
export interface Registry {
  /** Route function of `bascule.registry.v1.RegistryService`. */
  readonly routes: (router: ConnectRouter) => void;
  /** The same for callers in this process, who may do everything. */
  readonly trustedRoutes: (router: ConnectRouter) => void;
  status(): RegistryStatus;
  /**
   * Ends all open watches and keep-alives. They come again, apart, and go on where they were: for changed rules, which
   * streams that are open would not hear of.
   */
  endStreams(): void;
  /** Ends all watches and timers. Watchers see the end of the stream, which is no change of the set. */
  close(): void;
}

export interface RegistryOptions {
  readonly clock: Clock;
  /** Who may do what. Without it everybody who reaches the routes may do everything: see `requireGuarded`. */
  readonly access?: Access | undefined;
  readonly limits?: Partial<RegistryLimits> | undefined;
  /**
   * Longest that a lease outlives its instance's last word while self-preservation holds. Default 3,600,000 ms; at least
   * its TTL in any case. While it holds, an instance that comes to the address of a silent one takes its place.
   */
  readonly maxHoldMs?: number | undefined;
  /** Source of lease ids. Default the system's cryptographic one. */
  readonly randomBytes?: (size: number) => Uint8Array;
  /** What the registry does by itself, for logs. */
  onEvent?(event: ExpiryEvent): void;
  /** Every registration, and what was refused: see `formatAuditLine`. */
  onAudit?(event: AuditEvent): void;
}

const LEASE_ID_BYTES = 16;
/** What goes to a hundred watchers would be compressed a hundred times, which costs more than all the rest. */
const NEVER_BYTES = Number.MAX_SAFE_INTEGER;
const DEFAULT_MAX_HOLD_MS = 3_600_000;

/** An empty registry with a new epoch. */
export function createRegistry(options: RegistryOptions): Registry {
  const { clock } = options;
  const random = options.randomBytes ?? randomBytes;
  const limits = { ...DEFAULT_REGISTRY_LIMITS, ...options.limits };
  const epoch = newEpoch(clock);
  const history = createHistory({ maxEvents: limits.historyEvents, maxBytes: limits.historyBytes });
  const namespaces = createNamespaces(history, limits.maxNamespaces);
  const schemas = createSchemaStore(limits);
  const streams = createStreams(clock, limits);
  const counters = {
    registrations: 0,
    renewals: 0,
    deregistrations: 0,
    expirations: 0,
    refusals: 0,
    sleeps: 0,
    holds: 0,
  };

  const leases = createLeases({
    clock,
    limits,
    maxHoldMs: options.maxHoldMs ?? DEFAULT_MAX_HOLD_MS,
    newLeaseId: () => Buffer.from(random(LEASE_ID_BYTES)).toString('hex'),
    onChange(change) {
      count(counters, change);
      keepSchemas(change);
      log(change);
      if (change.after === undefined) namespaces.leave(change.lease.namespace);
    },
    onEvent(event) {
      if (event.type === 'slept') counters.sleeps += 1;
      if (event.type === 'holding') counters.holds += 1;
      options.onEvent?.(event);
    },
  });

  function keepSchemas({ lease, before, after }: LeaseChange): void {
    const [was, is] = [before?.endpoint.schemaDigest, after?.endpoint.schemaDigest];
    if (was === is) return;
    if (is !== undefined) schemas.retain(is, lease);
    if (was !== undefined) schemas.release(was, lease);
  }

  const told = createAudit(clock, (event) => options.onAudit?.(event));
  const audit: Audit = (event) => {
    if (event.outcome === 'refused') counters.refusals += 1;
    told(event);
  };

  function routesFor(access: Access | undefined): (router: ConnectRouter) => void {
    const implementation = createRegistryService({
      clock,
      epoch,
      gate: createGate(access, audit),
      leases,
      namespaces,
      schemas,
      streams,
      revision: () => history.revision(),
      onRenewed: () => void (counters.renewals += 1),
    });
    return (router) => void router.service(RegistryService, implementation, { compressMinBytes: NEVER_BYTES });
  }

  return {
    routes: routesFor(options.access),
    trustedRoutes: routesFor(undefined),
    status: () => ({
      epoch,
      revision: history.revision(),
      isOpen: options.access === undefined,
      instances: leases.size,
      namespaces: namespaces.size,
      streams: streams.size,
      preservation: leases.expiry.preservation().state,
      held: leases.expiry.held().size,
      historyEvents: history.size().events,
      historyBytes: history.size().bytes,
      schemaBytes: schemas.bytes(),
      ...counters,
    }),
    endStreams: () => streams.end(),
    close() {
      streams.close();
      leases.close();
    },
  };
}

function log({ lease, before, after, cause }: LeaseChange): void {
  const { key, endpoint } = (after ?? before) as EndpointRecord;
  const { instanceId, incarnation } = endpoint;
  lease.namespace.board.append({
    key,
    // Not the whole record, which the log would keep.
    endpoint: { instanceId, incarnation },
    event: after?.put ?? encodeRemoval(endpoint, cause),
    before: before?.endpoint.services ?? [],
    after: after?.endpoint.services ?? [],
  });
}

function count(counters: Record<keyof RegistryCounters, number>, { before, after, cause }: LeaseChange): void {
  if (before === undefined) counters.registrations += 1;
  if (after !== undefined) return;
  if (cause === RemovalCause.LEASE_EXPIRED) counters.expirations += 1;
  else counters.deregistrations += 1;
}

/** The time in the upper bits, chance in the lower 20: two starts within a millisecond differ as well. */
function newEpoch(clock: Clock): bigint {
  return (BigInt(Math.floor(clock.wallMs())) << 20n) | BigInt(Math.floor(clock.random() * 2 ** 20));
}
