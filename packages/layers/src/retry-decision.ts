import { Code, getField, type Clock, type Fields, type Processed } from '@bascule/core';

/** Transparent retries of calls that never left; a bound, since an endpoint that refuses at once would spin. */
const MAX_NEVER_SENT = 10;
const BASE_BACKOFF_MS = 25;
const MAX_BACKOFF_MS = 250;

/** How an attempt failed. `processed` of a callee's own status is `maybe`. */
export interface Failure {
  readonly code: Code;
  readonly processed: Processed;
  readonly final: boolean;
  /** Value of `grpc-retry-pushback-ms`: the callee's own wish. */
  readonly pushback: string | undefined;
}

/** What was spent on a call. */
export interface Spent {
  /** Attempts that count: the first and the repeats by policy. */
  counted: number;
  neverSent: number;
  refused: number;
  /** Repeats since the last pushback, which starts the backoff anew. */
  backoffs: number;
}

export type RetryKind = 'transparent' | 'policy';
export type Decision = { readonly kind: RetryKind; readonly delayMs: number } | { readonly kind: 'give-up' };

export interface DecisionInput {
  readonly failure: Failure;
  readonly spent: Spent;
  readonly maxAttempts: number;
  /** The method says that repeating does no harm. */
  readonly repeatable: boolean;
  readonly clock: Clock;
}

const GIVE_UP: Decision = { kind: 'give-up' };
const AT_ONCE: Decision = { kind: 'transparent', delayMs: 0 };

/**
 * Whether a call may be repeated, and when. Source: gRFC A6. Transparent repeats are free: the callee provably did not
 * see the call. All others need a reason why repeating does no harm, count, and draw on the budget (not asked here).
 */
export function decideRetry(input: DecisionInput): Decision {
  const { failure, spent, clock } = input;
  if (failure.final) return GIVE_UP;
  if (failure.processed === 'never-sent') return spent.neverSent < MAX_NEVER_SENT ? AT_ONCE : GIVE_UP;
  if (failure.processed === 'refused' && spent.refused === 0) return AT_ONCE;
  if (failure.code !== Code.unavailable || spent.counted >= input.maxAttempts) return GIVE_UP;
  if (failure.processed === 'maybe' && !input.repeatable) return GIVE_UP;
  if (failure.pushback !== undefined) {
    return /^\d{1,9}$/.test(failure.pushback) ? { kind: 'policy', delayMs: Number(failure.pushback) } : GIVE_UP;
  }
  const ceilingMs = Math.min(MAX_BACKOFF_MS, BASE_BACKOFF_MS * 2 ** spent.backoffs);
  return { kind: 'policy', delayMs: clock.random() * ceilingMs };
}

/** Books a decision. */
export function spendRetry(spent: Spent, decision: Decision, failure: Failure): void {
  if (decision.kind === 'give-up') return;
  if (decision.kind === 'transparent') {
    if (failure.processed === 'refused') spent.refused++;
    else spent.neverSent++;
    return;
  }
  spent.counted++;
  spent.backoffs = failure.pushback === undefined ? spent.backoffs + 1 : 0;
}

/** The callee's wish in its trailers. Source: gRFC A6. */
export function pushbackOf(trailers: Fields): string | undefined {
  return getField(trailers, 'grpc-retry-pushback-ms');
}
