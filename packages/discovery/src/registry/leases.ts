import type { Clock, Timer } from '@bascule/core';
import { equals } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { EndpointSchema, RemovalCause, type Endpoint } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { createFence } from './fence.ts';

/** One instance for as long as it renews. */
interface Registration {
  readonly endpoint: Endpoint;
  readonly leaseId: string;
  readonly ttlMs: number;
}

/** What changed: `after` is undefined for a removal, `before` for an insert. */
export interface LeaseChange {
  readonly before: Endpoint | undefined;
  readonly after: Endpoint | undefined;
  readonly cause: RemovalCause;
}

/** Who is registered. */
export interface Leases {
  /** Idempotent for the same instance and incarnation. Throws ConnectError for a lower incarnation and at limits. */
  register(endpoint: Endpoint, ttlMs: number): Registration;
  renew(leaseId: string): Registration | undefined;
  deregister(leaseId: string): void;
  endpoints(): Endpoint[];
  /** Stops all timers without a change. */
  close(): void;
}

interface Entry {
  registration: Registration;
  expiresAtMs: number;
  timer: Timer | undefined;
}

const MAX_INSTANCES_PER_SERVICE = 10_000;
const MAX_INSTANCES = 100_000;

/** An empty set of leases; `onChange` is called inside of what causes the change. */
export function createLeases(options: {
  clock: Clock;
  newLeaseId: () => string;
  onChange: (change: LeaseChange) => void;
}): Leases {
  const { clock, onChange } = options;
  const byInstance = new Map<string, Entry>();
  const byLease = new Map<string, Entry>();
  const perService = new Map<string, number>();
  const fence = createFence(clock);

  function count(endpoint: Endpoint | undefined, by: 1 | -1): void {
    for (const service of endpoint?.services ?? []) {
      const total = (perService.get(service) ?? 0) + by;
      if (total === 0) perService.delete(service);
      else perService.set(service, total);
    }
  }

  function change(before: Endpoint | undefined, after: Endpoint | undefined, cause: RemovalCause): void {
    count(before, -1);
    count(after, 1);
    onChange({ before, after, cause });
  }

  function remove(entry: Entry, cause: RemovalCause): void {
    const { endpoint, leaseId } = entry.registration;
    entry.timer?.cancel();
    byInstance.delete(endpoint.instanceId);
    byLease.delete(leaseId);
    fence.raise(endpoint.instanceId, endpoint.incarnation);
    change(endpoint, undefined, cause);
  }

  /** A renewal only moves the time; the timer, when it comes, looks again. */
  function extend(entry: Entry): void {
    entry.expiresAtMs = clock.nowMs() + entry.registration.ttlMs;
    entry.timer ??= clock.after(entry.registration.ttlMs, () => expire(entry));
  }

  function expire(entry: Entry): void {
    const leftMs = entry.expiresAtMs - clock.nowMs();
    entry.timer = undefined;
    if (leftMs > 0) entry.timer = clock.after(leftMs, () => expire(entry));
    else remove(entry, RemovalCause.LEASE_EXPIRED);
  }

  function checkRoom(before: Endpoint | undefined, after: Endpoint): void {
    const known = new Set(before?.services);
    const full = after.services.find(
      (service) => !known.has(service) && (perService.get(service) ?? 0) >= MAX_INSTANCES_PER_SERVICE,
    );
    if (full !== undefined) {
      throw new ConnectError(`${full} has ${MAX_INSTANCES_PER_SERVICE} instances already`, Code.ResourceExhausted);
    }
    if (before === undefined && byInstance.size >= MAX_INSTANCES) {
      throw new ConnectError(`the registry has ${MAX_INSTANCES} instances already`, Code.ResourceExhausted);
    }
  }

  function update(entry: Entry, endpoint: Endpoint, ttlMs: number): Registration {
    const before = entry.registration.endpoint;
    entry.registration = { endpoint, leaseId: entry.registration.leaseId, ttlMs };
    entry.timer?.cancel();
    entry.timer = undefined;
    extend(entry);
    if (!equals(EndpointSchema, before, endpoint)) change(before, endpoint, RemovalCause.UNSPECIFIED);
    return entry.registration;
  }

  return {
    register(endpoint, ttlMs) {
      const known = byInstance.get(endpoint.instanceId);
      const before = known?.registration.endpoint;
      const highest = before?.incarnation ?? fence.of(endpoint.instanceId);
      if (highest !== undefined && endpoint.incarnation < highest) {
        throw new ConnectError(
          `${endpoint.instanceId} is known with incarnation ${highest}, above ${endpoint.incarnation}: a newer process of this instance has registered`,
          Code.FailedPrecondition,
        );
      }
      checkRoom(before, endpoint);
      if (known !== undefined && before?.incarnation === endpoint.incarnation) return update(known, endpoint, ttlMs);
      if (known !== undefined) remove(known, RemovalCause.REPLACED);
      const entry: Entry = {
        registration: { endpoint, leaseId: options.newLeaseId(), ttlMs },
        expiresAtMs: 0,
        timer: undefined,
      };
      byInstance.set(endpoint.instanceId, entry);
      byLease.set(entry.registration.leaseId, entry);
      extend(entry);
      change(undefined, endpoint, RemovalCause.UNSPECIFIED);
      return entry.registration;
    },
    renew(leaseId) {
      const entry = byLease.get(leaseId);
      if (entry !== undefined) extend(entry);
      return entry?.registration;
    },
    deregister(leaseId) {
      const entry = byLease.get(leaseId);
      if (entry !== undefined) remove(entry, RemovalCause.DEREGISTERED);
    },
    endpoints: () => [...byInstance.values()].map((entry) => entry.registration.endpoint),
    close() {
      for (const entry of byInstance.values()) entry.timer?.cancel();
    },
  };
}
