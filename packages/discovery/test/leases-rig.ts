import { createVirtualClock } from '@bascule/core';
import { causeOf, toEndpointMessage } from '../src/endpoint-message.ts';
import type { ExpiryEvent } from '../src/registry/expiry.ts';
import { createHistory } from '../src/registry/history.ts';
import type { Lease } from '../src/registry/lease.ts';
import { createLeases } from '../src/registry/leases.ts';
import { DEFAULT_REGISTRY_LIMITS } from '../src/registry/limits.ts';
import { createNamespaces } from '../src/registry/namespaces.ts';
import { createEndpoint, onClose } from './rig.ts';

export const TTL_MS = 15_000;

/** Leases on a virtual clock, and what becomes of them. */
export function openLeases({ maxHoldMs = 3_600_000, clock = createVirtualClock() } = {}) {
  const history = createHistory({ maxEvents: 100, maxBytes: 1_000_000 });
  const namespace = createNamespaces(history, 1).enter('default');
  const removals: { readonly id: string; readonly cause: string; readonly atMs: number }[] = [];
  const events: ExpiryEvent[] = [];
  let ids = 0;
  const leases = createLeases({
    clock,
    limits: DEFAULT_REGISTRY_LIMITS,
    maxHoldMs,
    newLeaseId: () => `lease-${++ids}`,
    onChange({ lease, after, cause }) {
      if (after !== undefined) return;
      removals.push({
        id: lease.record.endpoint.instanceId,
        cause: causeOf(cause),
        atMs: clock.nowMs(),
      });
    },
    onEvent: (event) => void events.push(event),
  });
  onClose(() => leases.close());

  function register(instanceId: string, { ttlMs = TTL_MS, port = 1, incarnation = 1 } = {}): Lease {
    const endpoint = toEndpointMessage(createEndpoint({ instanceId, port, incarnation }));
    return leases.register({ namespace, endpoint, ttlMs, principal: 'p', isBounded: false });
  }

  return {
    clock,
    leases,
    namespace,
    removals,
    events,
    register,
    present: () => [...namespace.leases.keys()].sort(),
    /** Renews them in turn every third of their TTL, those of whom `isAlive` holds. */
    run: (forMs: number, all: readonly Lease[], isAlive: (lease: Lease, index: number) => boolean): void => {
      const stepMs = 500;
      const third = TTL_MS / 3 / stepMs;
      for (let step = 0; step < forMs / stepMs; step++) {
        clock.advance(stepMs);
        for (const [index, lease] of all.entries()) {
          if ((step + index) % third === 0 && isAlive(lease, index)) leases.renew(lease, undefined);
        }
      }
    },
  };
}
