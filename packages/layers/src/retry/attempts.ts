import {
  CANCELED_OUTCOME,
  withField,
  type AttemptNote,
  type Cancel,
  type Outcome,
  type RequestHead,
} from '@bascule/core';
import type { Attempt } from './attempt.ts';
import type { RetryBudget } from './budget.ts';
import type { RetryFacts } from './facts.ts';

/** Shared, so never pushed to. */
const NONE: Attempt[] = [];

/** The attempts of one call that run, and what they hold of what all calls share. */
export class Attempts {
  #running: Attempt[] = NONE;
  readonly #head: RequestHead;
  readonly #facts: RetryFacts;
  /** Places of repeats that run or are due. */
  #places = 0;

  constructor(head: RequestHead, facts: RetryFacts) {
    this.#head = head;
    this.#facts = facts;
  }

  get running(): readonly Attempt[] {
    return this.#running;
  }

  add(attempt: Attempt): void {
    // A literal holds one; what is pushed to an empty array makes room for seventeen.
    if (this.#running.length === 0) this.#running = [attempt];
    else this.#running.push(attempt);
    const { explanation } = this.#head.call;
    if (explanation === undefined) return;
    const note: AttemptNote = {
      kind: attempt.kind,
      startedMs: this.#sinceStartMs(),
      pick: undefined,
      endedMs: undefined,
      outcome: undefined,
    };
    attempt.note = note;
    explanation.attempts.push(note);
  }

  /** The attempt is over: nothing that it says is heard, and what it held goes back. */
  drop(attempt: Attempt, outcome: Outcome): void {
    attempt.leave();
    const running = this.#running;
    if (running.length === 1 && running[0] === attempt) this.#running = NONE;
    else running.splice(running.indexOf(attempt), 1);
    if (attempt.note !== undefined) {
      attempt.note.endedMs = this.#sinceStartMs();
      attempt.note.outcome = outcome;
    }
    if (this.#places > 0 && (attempt.kind === 'retry' || attempt.kind === 'hedge')) this.#releasePlace();
  }

  /** Cancels all attempts, or all others. */
  cancel(reason: Cancel, but?: Attempt): void {
    const running = this.#running;
    if (running.length === 0 || (running.length === 1 && running[0] === but)) return;
    for (const attempt of running.slice()) {
      if (attempt === but || attempt.isOver) continue;
      this.drop(attempt, CANCELED_OUTCOME);
      attempt.body?.cancel(reason);
    }
  }

  /** The one that runs, where there is exactly one: the way of nearly all calls. */
  get only(): Attempt | undefined {
    return this.#running.length === 1 ? this.#running[0] : undefined;
  }

  /** Runs over the attempts as they are now: what one of them says meanwhile may end others. */
  forEach(fn: (attempt: Attempt) => void): void {
    for (const attempt of this.#running.slice()) if (!attempt.isOver) fn(attempt);
  }

  /** The head of the next attempt: it says how many came before. Source: gRFC A6. */
  nextHead(previous: number): RequestHead {
    const head = this.#head;
    if (previous === 0) return head;
    return { ...head, fields: withField(head.fields, 'grpc-previous-rpc-attempts', String(previous)) };
  }

  /** An attempt that has waited for an endpoint has got it by now, and whoever lent it shows it as the call's. */
  learnEndpoint(attempt: Attempt): void {
    attempt.endpoint ??= this.#head.call.endpoint;
  }

  /** With several attempts, the last one that was picked need not be the one that answered. */
  showEndpoint({ endpoint }: Attempt): void {
    if (endpoint !== undefined) this.#head.call.endpoint = endpoint;
  }

  /** The attempt that was sent most: the one to go on with. Source: gRFC A6, Memory Management. */
  farthest(): Attempt | undefined {
    let farthest: Attempt | undefined;
    for (const attempt of this.#running) if (farthest === undefined || attempt.sent > farthest.sent) farthest = attempt;
    return farthest;
  }

  /** Request bytes that the most generous of them has granted. */
  mostGranted(): number {
    let most = 0;
    for (const { granted } of this.#running) if (granted > most) most = granted;
    return most;
  }

  /** Whether one more repeat may be sent: throttle, limit and budget must all allow it. */
  takeAllowance(budget: RetryBudget): boolean {
    if (!this.#facts.tryTakePlace(this.#head, budget)) return false;
    this.#places++;
    return true;
  }

  /** For repeats that were due and will not be. */
  releasePlaces(): void {
    while (this.#places > 0) this.#releasePlace();
  }

  #releasePlace(): void {
    this.#places--;
    this.#facts.releasePlace(this.#head);
  }

  #sinceStartMs(): number {
    return this.#facts.clock.nowMs() - this.#head.call.startedMs;
  }
}
