import type { CallPolicy, HedgePolicy, RetryPolicy } from '@bascule/core';
import type { Place } from './place.ts';
import { readStatusCodes } from './status-codes.ts';

/** A call that waits until it is over, as far as timers go. */
const UNTIL_DEADLINE_MS = 2_147_483_647;

const MAX_UINT32 = 4_294_967_295;

/** What one entry of `methodConfig` says of its methods. */
export function readMethodConfig(entry: Place): CallPolicy {
  const retry = readRetryPolicy(entry.field('retryPolicy'));
  const hedge = readHedgingPolicy(entry.field('hedgingPolicy'));
  if (entry.field('retryPolicy').isThere() && entry.field('hedgingPolicy').isThere()) {
    entry.problem('may have a retryPolicy or a hedgingPolicy, not both');
  }
  const timeoutMs = entry.field('timeout').durationMs({ above: 0 });
  const maxRequestBytes = entry.field('maxRequestMessageBytes').integer({ atLeast: 0, atMost: MAX_UINT32 });
  const maxResponseBytes = entry.field('maxResponseMessageBytes').integer({ atLeast: 0, atMost: MAX_UINT32 });
  return {
    ...(retry !== undefined && { retry }),
    ...(hedge !== undefined && { hedge }),
    ...(timeoutMs !== undefined && timeoutsOf(timeoutMs)),
    ...(entry.field('waitForReady').boolean() === true && { connectTimeoutMs: UNTIL_DEADLINE_MS }),
    ...(maxRequestBytes !== undefined && { maxRequestBytes }),
    ...(maxResponseBytes !== undefined && { maxResponseBytes }),
  };
}

/** The shorter of the caller's and this one counts, of streams too: that is a default and a bound in one. */
function timeoutsOf(timeoutMs: number): CallPolicy {
  return { defaultTimeoutMs: timeoutMs, defaultStreamTimeoutMs: timeoutMs, maxTimeoutMs: timeoutMs };
}

/** Source: gRFC A6, Retry Policy. Its author has chosen the codes, so it holds for whatever the method does. */
function readRetryPolicy(place: Place): RetryPolicy | undefined {
  if (!place.isObject()) return undefined;
  const maxAttempts = place.field('maxAttempts').required().integer({ atLeast: 2 });
  const initialBackoffMs = place.field('initialBackoff').required().durationMs({ above: 0 });
  const maxBackoffMs = place.field('maxBackoff').required().durationMs({ above: 0 });
  const backoffMultiplier = place.field('backoffMultiplier').required().number({ above: 0 });
  const perAttemptTimeoutMs = place.field('perAttemptRecvTimeout').durationMs({ above: 0 });
  const list = place.field('retryableStatusCodes').required();
  const codes = readStatusCodes(list);
  if (Array.isArray(list.raw()) && codes.length === 0) list.problem('must name one status at least');
  if (maxAttempts === undefined || initialBackoffMs === undefined) return undefined;
  if (maxBackoffMs === undefined || backoffMultiplier === undefined) return undefined;
  return {
    maxAttempts,
    codes,
    initialBackoffMs,
    maxBackoffMs,
    backoffMultiplier,
    jitter: 'a6',
    anyMethod: true,
    ...(perAttemptTimeoutMs !== undefined && { perAttemptTimeoutMs }),
  };
}

/** Source: gRFC A6, Hedging Policy. Without a delay all attempts are sent at once; without codes each failure is fatal. */
function readHedgingPolicy(place: Place): HedgePolicy | undefined {
  if (!place.isObject()) return undefined;
  const maxAttempts = place.field('maxAttempts').required().integer({ atLeast: 2 });
  const delayMs = place.field('hedgingDelay').durationMs({ atLeast: 0 }) ?? 0;
  const nonFatalCodes = readStatusCodes(place.field('nonFatalStatusCodes'));
  return maxAttempts === undefined ? undefined : { maxAttempts, delayMs, nonFatalCodes };
}
