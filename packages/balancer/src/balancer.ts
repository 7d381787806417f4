import type { Change, Clock, Endpoint, Link, RequestHead } from '@bascule/core';
import type { BalancingPolicy } from './balancing-policy.ts';
import { MemberLease } from './lease.ts';
import type { MemberView } from './member.ts';
import type { LoadReport } from './policy.ts';
import { Pool } from './pool.ts';
import { Selection } from './selection.ts';

export interface BalancerOptions {
  readonly balancing: BalancingPolicy;
  readonly clock: Clock;
  /** Opens a way to an endpoint. Must not throw: what cannot be reached is a link that is not ready. */
  connect(endpoint: Endpoint): Link;
  /** Told once a removed endpoint's last call has ended. Not told when the same key has come back meanwhile. */
  onDrained?(key: string): void;
}

/** Who gets a call, out of those who are there and ready. */
export interface Balancer {
  /** Obeys changes in order. Updates keep load and history; a new address gets a new link, the old one drains. */
  apply(changes: readonly Change[]): void;
  /** Takes another policy; members, links, load and history stay. */
  configure(balancing: BalancingPolicy): void;
  /**
   * Lends an endpoint, or undefined if none can take calls. Reads `head.call`: `tried`, `affinity`, `method`; writes
   * nothing in it but, for calls that ask, `explanation`'s newest attempt. With a `slot`, a lease that has been
   * released before, nothing is allocated.
   */
  pick(head: RequestHead, slot?: MemberLease): MemberLease | undefined;
  /** What an endpoint says of its load, by `endpointKey`; unknown keys are nobody. */
  report(key: string, load: Pick<LoadReport, 'utilization' | 'qps' | 'eps'>): void;
  members(): MemberView[];
  /** Calls `listener` whenever a member has become able to take calls. */
  onReady(listener: () => void): void;
  /** Drains all; resolves when the last call has ended. No picks meanwhile. */
  close(): Promise<void>;
  /** Cuts what is still open: open calls end with `unavailable`. */
  destroy(): void;
}

/** Makes an empty balancer. */
export function createBalancer(options: BalancerOptions): Balancer {
  const selection = new Selection(options.balancing, options.clock);
  const pool = new Pool({ ...options, onChange: () => selection.invalidate() });
  return {
    apply: (changes) => pool.apply(changes),
    configure(balancing) {
      selection.configure(balancing);
    },
    pick(head, slot = new MemberLease()) {
      const member = selection.choose(pool.members(), head);
      return member === undefined ? undefined : slot.take(member);
    },
    report() {},
    members: () => pool.views(),
    onReady: (listener) => void pool.listeners.push(listener),
    close: () => pool.close(),
    destroy: () => pool.destroy(),
  };
}
