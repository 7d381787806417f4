import type { Clock } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import { RemovalCause, type Condition, type Endpoint } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { createConditionNews } from './condition-news.ts';
import { toSoundCondition, toToldCondition } from './condition.ts';
import { createExpiry, type Expiry, type ExpiryEvent } from './expiry.ts';
import { createFence } from './fence.ts';
import { toRecord, type EndpointRecord, type Lease } from './lease.ts';
import type { RegistryLimits } from './limits.ts';
import type { Namespace } from './namespaces.ts';
import { createRoom } from './room.ts';

/** What changed: `after` is undefined for a removal, `before` for an insert. */
export interface LeaseChange {
  readonly lease: Lease;
  readonly before: EndpointRecord | undefined;
  readonly after: EndpointRecord | undefined;
  readonly cause: RemovalCause;
}

/** Who asks for a lease, and for what. */
export interface Application {
  readonly namespace: Namespace;
  readonly endpoint: Endpoint;
  readonly ttlMs: number;
  readonly principal: string;
  /** Whether the principal is one of many, whose share is bounded. */
  readonly isBounded: boolean;
}

/** Who is registered. */
export interface Leases {
  /** Idempotent for the same instance and incarnation. Throws ConnectError for a lower incarnation and at limits. */
  register(application: Application): Lease;
  find(leaseId: string): Lease | undefined;
  /** A whole TTL from now on. `condition` is what the instance says of itself; undefined leaves it as it was. */
  renew(lease: Lease, condition: Condition | undefined): void;
  deregister(lease: Lease): void;
  readonly size: number;
  readonly expiry: Expiry;
  /** Stops all timers without a change. */
  close(): void;
}

/** An empty set of leases; `onChange` is called inside of what causes the change. */
export function createLeases(options: {
  clock: Clock;
  limits: RegistryLimits;
  maxHoldMs: number;
  newLeaseId: () => string;
  onChange: (change: LeaseChange) => void;
  onEvent: (event: ExpiryEvent) => void;
}): Leases {
  const { limits, onChange } = options;
  const byId = new Map<string, Lease>();
  const room = createRoom(limits);
  const fence = createFence(options.clock, limits.maxInstances);
  const news = createConditionNews({ nowMs: () => expiry.nowMs(), tell: replaceRecord });
  const expiry = createExpiry({
    ...options,
    leases: () => byId,
    onTick: (nowMs) => news.tick(nowMs),
    onExpired: (lease) => remove(lease, RemovalCause.LEASE_EXPIRED),
  });

  function remove(lease: Lease, cause: RemovalCause): void {
    const { namespace, record } = lease;
    const { instanceId, incarnation } = record.endpoint;
    if (namespace.leases.get(instanceId) === lease) namespace.leases.delete(instanceId);
    byId.delete(lease.id);
    news.settle(lease);
    expiry.remove(lease);
    fence.raise(nameOf(namespace, instanceId), incarnation);
    room.give(lease, record);
    onChange({ lease, before: record, after: undefined, cause });
  }

  function replaceRecord(lease: Lease, after: EndpointRecord): void {
    const before = lease.record;
    lease.record = after;
    lease.toldAtMs = expiry.nowMs();
    if (Buffer.compare(before.put, after.put) === 0) return;
    room.give(lease, before);
    room.take(lease, after);
    onChange({ lease, before, after, cause: RemovalCause.UNSPECIFIED });
  }

  function update(lease: Lease, endpoint: Endpoint, ttlMs: number): Lease {
    lease.ttlMs = ttlMs;
    lease.condition = endpoint.condition;
    expiry.extend(lease);
    news.settle(lease);
    replaceRecord(lease, toRecord(endpoint));
    return lease;
  }

  function insert({ namespace, endpoint, ttlMs, principal }: Application): Lease {
    const nowMs = expiry.nowMs();
    const lease: Lease = {
      id: options.newLeaseId(),
      namespace,
      principal,
      record: toRecord(endpoint),
      condition: endpoint.condition,
      ttlMs,
      dueMs: nowMs + ttlMs,
      slot: undefined,
      heardAtMs: nowMs,
      gapMs: 0,
      toldAtMs: nowMs,
    };
    namespace.leases.set(endpoint.instanceId, lease);
    byId.set(lease.id, lease);
    expiry.add(lease);
    room.take(lease, lease.record);
    onChange({ lease, before: undefined, after: lease.record, cause: RemovalCause.UNSPECIFIED });
    return lease;
  }

  /** A process that is silent has no address any more when another one listens there. */
  function removeSilentAt(lease: Lease): void {
    const { host, port } = lease.record.endpoint;
    for (const held of expiry.held()) {
      const { endpoint } = held.record;
      if (held === lease || held.namespace !== lease.namespace || held.principal !== lease.principal) continue;
      if (endpoint.host === host && endpoint.port === port) remove(held, RemovalCause.REPLACED);
    }
  }

  return {
    register(application) {
      const { namespace, principal } = application;
      const endpoint = withSoundCondition(application.endpoint);
      const known = namespace.leases.get(endpoint.instanceId);
      if (known !== undefined) requireSamePrincipal(known, principal);
      const highest = known?.record.endpoint.incarnation ?? fence.of(nameOf(namespace, endpoint.instanceId));
      requireIncarnation(endpoint, highest);
      room.require({ ...application, known: known?.record.endpoint });
      if (known?.record.endpoint.incarnation === endpoint.incarnation)
        return update(known, endpoint, application.ttlMs);
      // The new one first: a set of one must not be empty in between.
      const lease = insert({ ...application, endpoint });
      if (known !== undefined) remove(known, RemovalCause.REPLACED);
      removeSilentAt(lease);
      return lease;
    },
    find: (leaseId) => byId.get(leaseId),
    renew(lease, condition) {
      expiry.extend(lease);
      if (condition !== undefined) news.hear(lease, condition);
    },
    deregister: (lease) => remove(lease, RemovalCause.DEREGISTERED),
    get size() {
      return byId.size;
    },
    expiry,
    close: () => expiry.close(),
  };
}

function nameOf(namespace: Namespace, instanceId: string): string {
  return `${namespace.name}/${instanceId}`;
}

function withSoundCondition(endpoint: Endpoint): Endpoint {
  if (endpoint.condition === undefined) return endpoint;
  return { ...endpoint, condition: toToldCondition(toSoundCondition(endpoint.condition)) };
}

function requireSamePrincipal(known: Lease, principal: string): void {
  if (known.principal === principal) return;
  const { instanceId } = known.record.endpoint;
  const message = `${instanceId} is registered by somebody else: take another instance id, or wait until it has left`;
  throw new ConnectError(message, Code.PermissionDenied);
}

function requireIncarnation({ instanceId, incarnation }: Endpoint, highest: bigint | undefined): void {
  if (highest === undefined || incarnation >= highest) return;
  throw new ConnectError(
    `${instanceId} is known with incarnation ${highest}, above ${incarnation}: a newer process of this instance has registered`,
    Code.FailedPrecondition,
  );
}
