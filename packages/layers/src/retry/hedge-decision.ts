import type { HedgePolicy } from '@bascule/core';
import { isAmong, isTransparent, type Spent } from './decision.ts';
import type { Failure } from './failure.ts';

/**
 * What a failed attempt means for the others. Source: gRFC A6, Summary of Retry and Hedging Logic.
 * - `transparent`: another takes its place, at no cost.
 * - `next`: the next one is due after this time.
 * - `freeze`: no more are sent; those that run may still answer.
 * - `fatal`: the failure is the call's, and all others end.
 */
export type HedgeDecision =
  | { readonly kind: 'transparent' }
  | { readonly kind: 'next'; readonly delayMs: number }
  | { readonly kind: 'freeze' }
  | { readonly kind: 'fatal' };

export function decideHedge(failure: Failure, spent: Spent, policy: HedgePolicy): HedgeDecision {
  // What was refused on our side, as where no endpoint is free, is no word of a callee about the call.
  if (failure.final && failure.processed === 'never-sent') return { kind: 'freeze' };
  if (failure.final) return { kind: 'fatal' };
  if (isTransparent(failure, spent)) return { kind: 'transparent' };
  if (failure.processed === 'never-sent') return { kind: 'freeze' };
  if (!failure.timedOut && !isAmong(failure.code, policy.nonFatalCodes)) return { kind: 'fatal' };
  return failure.pushback === 'stop' ? { kind: 'freeze' } : { kind: 'next', delayMs: failure.pushback ?? 0 };
}
