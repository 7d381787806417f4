import { hash64Into, type Clock, type RateLimit } from '@bascule/core';
import type { LimitStore } from './store.ts';

export interface LocalLimitOptions {
  readonly clock: Clock;
  /** Buckets kept for each name; beyond it the one that was asked longest ago is forgotten. Default 65,536. */
  readonly maxKeys?: number;
  /** Part of each limit's rate and burst that this store gives out, in (0, 1]: 1/N where N of them stand side by side. Default 1. */
  readonly share?: number;
}

/** Buckets of one name. */
interface Table {
  /** When each bucket is full again, in ms of the clock, by the hash of its key. In order of use. */
  readonly fullAtMs: Map<number, number>;
  /** The bucket of calls without a key. */
  commonFullAtMs: number;
  usedMs: number;
}

const MAX_KEYS = 65_536;
/** Names that nobody asks for so long are of a configuration that is gone. */
const FORGET_MS = 600_000;

/**
 * Buckets in this process, as GCRA: one number for each bucket, which is when it will be full again, so nothing has to
 * refill. Keys are kept as 53 bits of their XXH64: callers choose them, and long ones must not fill the memory; who finds
 * two of one hash shares a bucket. Forgetting a bucket fills it, so `maxKeys` bounds what a caller with many keys costs
 * in memory, not what it may do. Source: ITU-T I.371, annex A (virtual scheduling).
 */
export function createLocalLimits(options: LocalLimitOptions): LimitStore {
  const { clock, maxKeys = MAX_KEYS, share = 1 } = options;
  const tables = new Map<string, Table>();

  function tableOf(name: string, nowMs: number): Table {
    let table = tables.get(name);
    if (table === undefined) {
      for (const [other, { usedMs }] of tables) if (nowMs - usedMs > FORGET_MS) tables.delete(other);
      table = { fullAtMs: new Map(), commonFullAtMs: -Infinity, usedMs: nowMs };
      tables.set(name, table);
    }
    table.usedMs = nowMs;
    return table;
  }

  return {
    take(key, limit, nowMs) {
      const table = tableOf(limit.name, nowMs);
      const hash = hashOf(key);
      const fullAtMs = read(table, hash);
      const stepMs = 1000 / (limit.perSecond * share);
      const depthMs = stepMs * burstOf(limit, share);
      const nextMs = Math.max(nowMs, fullAtMs) + stepMs;
      const waitMs = nextMs - depthMs - nowMs;
      if (waitMs > ROUNDING_MS) return { allowed: false, left: 0, retryAfterMs: waitMs };
      write(table, hash, nextMs, maxKeys);
      return { allowed: true, left: Math.floor((ROUNDING_MS - waitMs) / stepMs), retryAfterMs: 0 };
    },
    giveBack(key, limit) {
      const table = tableOf(limit.name, clock.nowMs());
      const hash = hashOf(key);
      const fullAtMs = read(table, hash);
      if (fullAtMs > -Infinity) write(table, hash, fullAtMs - 1000 / (limit.perSecond * share), maxKeys);
    },
  };
}

/** Sums of steps such as 1000 / 3 miss their whole by less than this. */
const ROUNDING_MS = 1e-6;
/** Of calls without a key; no hash is negative. */
const COMMON = -1;

const hash = { high: 0, low: 0 };

function hashOf(key: string): number {
  if (key === '') return COMMON;
  hash64Into(key, hash);
  return hash.high * 2_097_152 + (hash.low >>> 11);
}

/** A share of a burst is still a call. */
function burstOf(limit: RateLimit, share: number): number {
  return Math.max(1, limit.burst * share);
}

function read(table: Table, key: number): number {
  return key === COMMON ? table.commonFullAtMs : (table.fullAtMs.get(key) ?? -Infinity);
}

function write(table: Table, key: number, fullAtMs: number, maxKeys: number): void {
  if (key === COMMON) {
    table.commonFullAtMs = fullAtMs;
    return;
  }
  const buckets = table.fullAtMs;
  // A map gives keys in the order of their insertion: at its head is what was used longest ago.
  if (!buckets.delete(key) && buckets.size >= maxKeys) buckets.delete(buckets.keys().next().value as number);
  buckets.set(key, fullAtMs);
}
