import {
  callError,
  Code,
  type Body,
  type CallError,
  type Clock,
  type Layer,
  type RateLimit,
  type Reply,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { callKeyOf } from '../call-key.ts';
import { PausedCall } from '../paused-call.ts';
import { refuseCall } from '../refusal.ts';
import { networkOf } from './peer-network.ts';
import { encodeRetryInfo } from './retry-info.ts';
import type { LimitStore, Taken } from './store.ts';

export interface RateLimitOptions {
  readonly clock: Clock;
  /** Keeps the buckets of limits that are not shared. */
  readonly local: LimitStore;
  /** Keeps the buckets of shared ones; undefined keeps them in `local` too. */
  readonly shared?: LimitStore;
  /** Hears of each call that is refused. Must not throw. */
  onLimited?(head: RequestHead, limit: RateLimit): void;
}

/**
 * Refuses calls beyond a rate: `resource_exhausted`, with a google.rpc.RetryInfo that says when to come again. All limits
 * of `policy.rateLimits` must let a call through; without any there, those that its proto asks for. A call that one limit
 * refuses costs the others nothing. Stands behind the layers that find out who calls and what the first message is, and
 * outside of retry.
 */
export function createRateLimitLayer(options: RateLimitOptions): Layer {
  return (next) => (head, reply) => {
    const { policy, method } = head.call;
    const limits = policy.rateLimits ?? method?.rules?.rateLimits;
    return limits === undefined || limits.length === 0 ? next(head, reply) : judge(options, limits, next, head, reply);
  };
}

/** What each limit said; undefined for one that was not asked. */
type Answers = readonly (Taken | undefined)[];

function judge(
  options: RateLimitOptions,
  limits: readonly RateLimit[],
  next: Service,
  head: RequestHead,
  reply: Reply,
): Body {
  const nowMs = options.clock.nowMs();
  const answers: (Taken | Promise<Taken> | undefined)[] = limits.map(() => undefined);
  const ask = (limit: RateLimit, i: number, store: LimitStore): Taken | Promise<Taken> =>
    (answers[i] = store.take(keyOf(head, limit), limit, nowMs));
  let mustWait = false;
  let isRefused = false;
  // Those that answer at once come first: what they refuse needs no question elsewhere.
  for (const isLocal of [true, false]) {
    for (let i = 0; i < limits.length && !isRefused; i++) {
      const limit = limits[i] as RateLimit;
      const store = storeOf(options, limit);
      if ((store === options.local) !== isLocal) continue;
      const answer = ask(limit, i, store);
      if (answer instanceof Promise) mustWait = true;
      else isRefused = !answer.allowed;
    }
  }
  if (mustWait) {
    const paused = new PausedCall({ head, reply, next });
    void Promise.all(answers.map(async (answer) => answer)).then((taken) => {
      const error = conclude(options, limits, taken, head);
      if (error === undefined) paused.resume();
      else paused.refuse(error);
    });
    return paused;
  }
  const error = conclude(options, limits, answers as Answers, head);
  return error === undefined ? next(head, reply) : refuseCall(reply, error);
}

function storeOf(options: RateLimitOptions, limit: RateLimit): LimitStore {
  return limit.shared === true ? (options.shared ?? options.local) : options.local;
}

/** Calls without the key share one bucket, and so do those of one IPv6 network. */
function keyOf(head: RequestHead, { key }: RateLimit): string {
  if (key === undefined) return '';
  const value = callKeyOf(head, key) ?? '';
  return key.from === 'peer' ? networkOf(value) : value;
}

/** Undefined lets the call through. */
function conclude(
  options: RateLimitOptions,
  limits: readonly RateLimit[],
  answers: Answers,
  head: RequestHead,
): CallError | undefined {
  if (head.call.explanation !== undefined) head.call.explanation.notes.push(...notesOf(limits, answers));
  const index = findRefusal(answers);
  if (index === undefined) return undefined;
  for (let i = 0; i < limits.length; i++) {
    const limit = limits[i] as RateLimit;
    if (answers[i]?.allowed === true) storeOf(options, limit).giveBack(keyOf(head, limit), limit);
  }
  const limit = limits[index] as RateLimit;
  options.onLimited?.(head, limit);
  return tooMany(limit, Math.ceil((answers[index] as Taken).retryAfterMs));
}

/** Of several that refuse, the one that does so for longest: who comes again before it ends is refused again. */
function findRefusal(answers: Answers): number | undefined {
  let found: number | undefined;
  let longestMs = -1;
  for (let i = 0; i < answers.length; i++) {
    const answer = answers[i];
    if (answer === undefined || answer.allowed || answer.retryAfterMs <= longestMs) continue;
    longestMs = answer.retryAfterMs;
    found = i;
  }
  return found;
}

function tooMany(limit: RateLimit, retryAfterMs: number): CallError {
  const message = `more calls than the rate limit "${limit.name}" allows; try again in ${retryAfterMs} ms`;
  const details = encodeRetryInfo(Code.resourceExhausted, message, retryAfterMs);
  return { ...callError(Code.resourceExhausted, message, 'never-sent'), details };
}

function notesOf(limits: readonly RateLimit[], answers: Answers): string[] {
  return limits.flatMap((limit, i) => {
    const answer = answers[i];
    if (answer === undefined) return [];
    const left = answer.allowed
      ? `${answer.left} of ${limit.burst} left`
      : `none left for ${Math.ceil(answer.retryAfterMs)} ms`;
    return [`rate limit "${limit.name}": ${left}`];
  });
}
