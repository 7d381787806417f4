import type { Clock } from '@bascule/core';
import { createDueWheel } from './due-wheel.ts';
import type { Lease } from './lease.ts';
import { createListeningClock } from './listening-clock.ts';
import { Queue } from './queue.ts';
import { transition, type Census, type Preservation } from './self-preservation.ts';

/** What happens to leases that nobody asked for, for logs. */
export type ExpiryEvent =
  /** The process did not run, or the machine was suspended: every lease got a fresh TTL. */
  | { readonly type: 'slept'; readonly sleptMs: number }
  /** Many have fallen silent at once: nobody expires. See RegistryOptions.maxHoldMs for how long. */
  | { readonly type: 'holding'; readonly silent: number; readonly leases: number }
  /** Enough are heard again: who is still silent has one TTL to come back. */
  | { readonly type: 'recovered'; readonly heldMs: number; readonly stillSilent: number };

/** When leases end by themselves. */
export interface Expiry {
  /** Milliseconds of the clock by which leases are measured. */
  nowMs(): number;
  /** A new lease. */
  add(lease: Lease): void;
  /** The instance is heard of: a whole TTL from now on. */
  extend(lease: Lease): void;
  remove(lease: Lease): void;
  /** Leases whose time is over and that are held all the same. */
  held(): ReadonlySet<Lease>;
  preservation(): Preservation;
  close(): void;
}

/** Of a TTL: who renews at a third, or a half, has missed a renewal when it was silent for so long. */
const SILENT_SHARE = 0.6;
/** Beyond its own usual gap, for who renews late on purpose. */
const GAP_FACTOR = 1.25;
/** The longest TTL there is. */
const MEMORY_MS = 600_000;

export function createExpiry(options: {
  clock: Clock;
  maxHoldMs: number;
  leases: () => { readonly size: number; values(): Iterable<Lease> };
  onTick: (nowMs: number) => void;
  onExpired: (lease: Lease) => void;
  onEvent: (event: ExpiryEvent) => void;
}): Expiry {
  const { leases, onEvent } = options;
  const wheel = createDueWheel<Lease>();
  const over = new Set<Lease>();
  const expiredAtMs = new Queue<number>();
  let preservation: Preservation = { state: 'off' };

  const listening = createListeningClock({
    clock: options.clock,
    onTick: tick,
    onSlept(sleptMs) {
      const nowMs = listening.nowMs();
      for (const lease of leases().values()) lease.dueMs = nowMs + lease.ttlMs;
      onEvent({ type: 'slept', sleptMs });
    },
  });

  function tick(nowMs: number): void {
    for (const lease of wheel.take(nowMs)) over.add(lease);
    for (const lease of over) {
      if (lease.dueMs > nowMs) keep(lease);
    }
    if (over.size > 0 || preservation.state === 'holding') judge(nowMs);
    options.onTick(nowMs);
    listening.setBusy(leases().size > 0 || preservation.state === 'holding');
  }

  function keep(lease: Lease): void {
    over.delete(lease);
    wheel.add(lease);
  }

  function judge(nowMs: number): void {
    const before = preservation;
    preservation = transition(before, takeCensus(nowMs), nowMs);
    if (preservation.state === 'off' && before.state === 'off') return expire(over, nowMs);
    if (preservation.state === 'off' && before.state === 'holding') {
      onEvent({ type: 'recovered', heldMs: nowMs - before.sinceMs, stillSilent: over.size });
      for (const lease of over) {
        lease.dueMs = nowMs + lease.ttlMs;
        keep(lease);
      }
      return;
    }
    if (preservation.state === 'holding' && before.state === 'off') {
      onEvent({ type: 'holding', silent: preservation.silent, leases: preservation.leases });
    }
    // Else who died for good while many others did would be shown for ever.
    expire(
      [...over].filter(({ heardAtMs }) => nowMs - heardAtMs >= options.maxHoldMs),
      nowMs,
    );
  }

  function expire(due: Iterable<Lease>, nowMs: number): void {
    for (const lease of due) {
      over.delete(lease);
      expiredAtMs.push(nowMs);
      options.onExpired(lease);
    }
  }

  function takeCensus(nowMs: number): Census {
    let silent = 0;
    let longestMs = 0;
    for (const lease of leases().values()) if (isSilent(lease, nowMs)) silent++;
    for (const { ttlMs } of over) longestMs = Math.max(longestMs, ttlMs);
    return { leases: leases().size, silent, expired: countExpired(nowMs, longestMs) };
  }

  function countExpired(nowMs: number, withinMs: number): number {
    while (expiredAtMs.length > 0 && (expiredAtMs.at(0) as number) < nowMs - MEMORY_MS) expiredAtMs.shift();
    let count = 0;
    while (count < expiredAtMs.length && isRecent(expiredAtMs.at(expiredAtMs.length - 1 - count))) count++;
    return count;
    function isRecent(atMs: number | undefined): boolean {
      return atMs !== undefined && atMs > nowMs - withinMs;
    }
  }

  return {
    nowMs: () => listening.nowMs(),
    add(lease) {
      wheel.add(lease);
      listening.setBusy(true);
    },
    extend(lease) {
      const nowMs = listening.nowMs();
      const dueMs = nowMs + lease.ttlMs;
      const isEarlier = dueMs < lease.dueMs;
      lease.gapMs = nowMs - lease.heardAtMs;
      lease.heardAtMs = nowMs;
      lease.dueMs = dueMs;
      // A longer one is moved when the wheel comes to it.
      if (!isEarlier || over.has(lease)) return;
      wheel.remove(lease);
      wheel.add(lease);
    },
    remove(lease) {
      wheel.remove(lease);
      over.delete(lease);
      if (leases().size === 0 && preservation.state === 'off') listening.setBusy(false);
    },
    held: () => over,
    preservation: () => preservation,
    close: () => listening.close(),
  };
}

function isSilent({ dueMs, heardAtMs, gapMs, ttlMs }: Lease, nowMs: number): boolean {
  return dueMs <= nowMs || nowMs - heardAtMs > Math.max(ttlMs * SILENT_SHARE, gapMs * GAP_FACTOR);
}
