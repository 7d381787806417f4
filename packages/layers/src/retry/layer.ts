import type { Layer } from '@bascule/core';
import { RetryFacts, type RetryOptions } from './facts.ts';
import { HedgeFacts } from './hedge-facts.ts';
import { HedgedCall } from './hedged-call.ts';
import { DEFAULT_RETRY, isRepeatable } from './policy.ts';
import { RetriedCall } from './retried-call.ts';

/**
 * Repeats calls by `call.policy.retry`, or sends them more than once by `call.policy.hedge`, as long as nothing of an
 * answer has reached the caller. Calls that provably were not processed are repeated whatever they do; those that may
 * have been only where running them twice does no harm, by the method's word or by `anyMethod`. Stands outside of the
 * pick, so that each attempt gets another endpoint, and inside of the deadline, which spans them all.
 *
 * Without a policy {@link DEFAULT_RETRY} holds. Source: gRFC A6; statuses count wherever they stand, in trailers too,
 * since the head of an answer is held back while there can be another attempt.
 */
export function createRetryLayer(options: RetryOptions): Layer {
  const facts = new RetryFacts(options);
  const hedgeFacts = new HedgeFacts(options.clock);
  return (next) => (head, reply) => {
    const { policy, method } = head.call;
    const { retry = DEFAULT_RETRY, hedge } = policy;
    options.budgetOf(head).deposit();
    const parts = { head, reply, next, facts };
    if (hedge === undefined || !isRepeatable(method)) return new RetriedCall(parts, retry).start();
    return new HedgedCall(parts, hedge, retry, hedgeFacts).start();
  };
}
