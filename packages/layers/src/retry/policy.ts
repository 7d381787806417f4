import { Code, type HedgePolicy, type MethodFacts, type RetryPolicy } from '@bascule/core';

/** What policies of both kinds bound. */
export interface CallBounds {
  readonly maxBufferBytes: number;
  readonly holdHeadMs: number;
  readonly perAttemptTimeoutMs?: number | undefined;
}

/** What holds where a call's policy says nothing: safe for any service, since the budget bounds it. */
export const DEFAULT_RETRY = Object.freeze({
  maxAttempts: 3,
  codes: Object.freeze([Code.unavailable]) as readonly Code[],
  initialBackoffMs: 25,
  maxBackoffMs: 250,
  backoffMultiplier: 2,
  jitter: 'full',
  anyMethod: false,
  maxBufferBytes: 262_144,
  holdHeadMs: 20,
} as const) satisfies RetryPolicy;

/** Above it a policy counts as this. Source: gRFC A6, Limits on Retries and Hedges. */
const MOST_ATTEMPTS = 5;

/** Attempts in all that a policy allows: at least the first. */
export function attemptsOf({ maxAttempts }: RetryPolicy | HedgePolicy): number {
  return Math.max(1, Math.min(MOST_ATTEMPTS, maxAttempts));
}

const DEFAULT_BOUNDS: CallBounds = DEFAULT_RETRY;

/** What a policy of retries bounds, with what holds where it says nothing. */
export function boundsOf(policy: RetryPolicy): CallBounds {
  if (policy === DEFAULT_RETRY) return DEFAULT_BOUNDS;
  const { maxBufferBytes = DEFAULT_RETRY.maxBufferBytes, holdHeadMs = DEFAULT_RETRY.holdHeadMs } = policy;
  return { maxBufferBytes, holdHeadMs, perAttemptTimeoutMs: policy.perAttemptTimeoutMs };
}

/** The method says that running it twice does no harm. Nothing known is no such word. */
export function isRepeatable(method: MethodFacts | undefined): boolean {
  return method?.idempotency === 'no_side_effects' || method?.idempotency === 'idempotent';
}
