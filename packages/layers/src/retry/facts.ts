import type { Clock, RequestHead, ServiceLimits } from '@bascule/core';
import type { AttemptKind } from './attempt.ts';
import type { RetryBudget } from './budget.ts';
import { RetryPlaces } from './places.ts';
import type { RetryThrottle } from './throttle.ts';

export interface RetryOptions {
  readonly clock: Clock;
  /** Bounds repeats, by service as a rule: a call of one service should not pay for another's failures. */
  budgetOf(head: RequestHead): RetryBudget;
  /** The throttle of the server that a call is for; without one, the budget alone bounds repeats. */
  throttleOf?(head: RequestHead): RetryThrottle | undefined;
  /** Hard limits of the service that a call is for; `maxRetries` is read here. */
  limitsOf?(head: RequestHead): ServiceLimits;
  /** Told of each attempt but the first, before it starts. */
  onRetry?(head: RequestHead, kind: Exclude<AttemptKind, 'first'>): void;
}

/** What all calls of a layer share. */
export class RetryFacts {
  readonly clock: Clock;
  readonly #options: RetryOptions;
  readonly #places = new RetryPlaces();

  constructor(options: RetryOptions) {
    this.clock = options.clock;
    this.#options = options;
  }

  budgetOf(head: RequestHead): RetryBudget {
    return this.#options.budgetOf(head);
  }

  succeeded(head: RequestHead): void {
    this.#options.throttleOf?.(head)?.succeeded();
  }

  failed(head: RequestHead): void {
    this.#options.throttleOf?.(head)?.failed();
  }

  /** Last of all the budget, since what it gave does not come back. */
  tryTakePlace(head: RequestHead, budget: RetryBudget): boolean {
    if (this.#options.throttleOf?.(head)?.allows() === false) return false;
    const max = this.#options.limitsOf?.(head).maxRetries ?? Infinity;
    if (!this.#places.tryTake(head.call.cluster, max)) return false;
    if (budget.tryWithdraw()) return true;
    this.releasePlace(head);
    return false;
  }

  releasePlace(head: RequestHead): void {
    this.#places.release(head.call.cluster);
  }

  onRetry(head: RequestHead, kind: AttemptKind): void {
    if (kind !== 'first') this.#options.onRetry?.(head, kind);
  }
}
