import type { Clock, Code, RetryPolicy } from '@bascule/core';
import type { Failure } from './failure.ts';
import { attemptsOf, DEFAULT_RETRY } from './policy.ts';

/** Transparent repeats of calls that never left; a bound, since an endpoint that refuses at once would spin. */
const MAX_NEVER_SENT = 10;

/** What was spent on a call. */
export interface Spent {
  /** Attempts that count: the first and the repeats by policy. */
  counted: number;
  neverSent: number;
  refused: number;
  /** Repeats since the last pushback, which starts the backoff anew. */
  backoffs: number;
}

export type Decision =
  | { readonly kind: 'transparent' }
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'give-up' };

export interface DecisionInput {
  readonly failure: Failure;
  readonly spent: Spent;
  readonly policy: RetryPolicy;
  /** Running it twice does no harm, by the method's word or by the policy's. */
  readonly repeatable: boolean;
  readonly clock: Clock;
}

const GIVE_UP: Decision = { kind: 'give-up' };
const TRANSPARENT: Decision = { kind: 'transparent' };

/**
 * Whether a call may be repeated, and when. Source: gRFC A6. Transparent repeats are free: the callee provably did not
 * see the call. All others need a reason why repeating does no harm, count, and draw on budget and throttle (not asked
 * here).
 */
export function decideRetry(input: DecisionInput): Decision {
  const { failure, spent, policy } = input;
  if (failure.final) return GIVE_UP;
  if (isTransparent(failure, spent)) return TRANSPARENT;
  if (failure.processed === 'never-sent') return GIVE_UP;
  if (failure.processed === 'maybe' && !input.repeatable) return GIVE_UP;
  if (spent.counted >= attemptsOf(policy) || failure.pushback === 'stop') return GIVE_UP;
  if (!failure.timedOut && !isAmong(failure.code, policy.codes)) return GIVE_UP;
  return { kind: 'retry', delayMs: failure.pushback ?? backoffMs(policy, spent.backoffs, input.clock) };
}

/** Books a decision. */
export function spendRetry(spent: Spent, decision: Decision, failure: Failure): void {
  if (decision.kind === 'transparent') spendTransparent(spent, failure);
  if (decision.kind !== 'retry') return;
  spent.counted++;
  spent.backoffs = failure.pushback === undefined ? spent.backoffs + 1 : 0;
}

/** Calls that never left are repeated until there is no sense in it, those that a callee refused once. */
export function isTransparent({ processed }: Failure, spent: Spent): boolean {
  if (processed === 'never-sent') return spent.neverSent < MAX_NEVER_SENT;
  return processed === 'refused' && spent.refused === 0;
}

export function spendTransparent(spent: Spent, { processed }: Failure): void {
  if (processed === 'refused') spent.refused++;
  else spent.neverSent++;
}

/** The statuses worth another attempt; without a word of the policy, `unavailable`. */
export function isAmong(code: Code, codes: readonly Code[] = DEFAULT_RETRY.codes): boolean {
  return codes.includes(code);
}

/**
 * What counts against a server that is asked too often: not what callers did wrong, nor what never reached its code.
 * Source: gRFC A6, Throttling.
 */
export function isThrottled({ code, pushback, processed }: Failure, codes: readonly Code[] | undefined): boolean {
  return processed !== 'never-sent' && (pushback === 'stop' || isAmong(code, codes));
}

/** Source of `full`: Envoy's router, and gRFC A6 as it was at first; of `a6`: gRFC A6, Exponential Backoff. */
function backoffMs(policy: RetryPolicy, before: number, clock: Clock): number {
  const {
    initialBackoffMs = DEFAULT_RETRY.initialBackoffMs,
    maxBackoffMs = DEFAULT_RETRY.maxBackoffMs,
    backoffMultiplier = DEFAULT_RETRY.backoffMultiplier,
    jitter = DEFAULT_RETRY.jitter,
  } = policy;
  const ceilingMs = Math.min(maxBackoffMs, initialBackoffMs * backoffMultiplier ** before);
  return ceilingMs * (jitter === 'a6' ? 0.8 + 0.4 * clock.random() : clock.random());
}
