import type { Clock } from '@bascule/core';

/** One lost connection should come back before anybody notices; only then the slow steps begin. */
const FIRST_MS = 100;
const BASE_MS = 1000;
const MULTIPLIER = 1.6;
const JITTER = 0.2;
const MAX_MS = 120_000;

/** Wait before the next attempt to connect, after `failures` (1 or more) in a row. Source: grpc/doc/connection-backoff.md. */
export function backoffMs(clock: Clock, failures: number): number {
  const plain = failures <= 1 ? FIRST_MS : Math.min(MAX_MS, BASE_MS * MULTIPLIER ** (failures - 2));
  return plain * (1 - JITTER + clock.random() * 2 * JITTER);
}
