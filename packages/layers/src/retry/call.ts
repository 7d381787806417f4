import {
  callError,
  Code,
  OK_OUTCOME,
  type Body,
  type CallError,
  type Cancel,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
} from '@bascule/core';
import { Attempt, type AttemptKind, type AttemptOwner } from './attempt.ts';
import { Attempts } from './attempts.ts';
import type { RetryFacts } from './facts.ts';
import { failureOfEnd, failureOfError, type Failure } from './failure.ts';
import type { CallBounds } from './policy.ts';
import { Upload } from './upload.ts';

/** What a call is made of. */
export interface CallParts {
  readonly head: RequestHead;
  readonly reply: Reply;
  readonly next: Service;
  readonly facts: RetryFacts;
}

/**
 * - `open`: attempts run or are due; nothing of an answer has reached the caller.
 * - `committed`: the answer of the attempt that runs is the call's answer.
 * - `ending`: the callee has ended; what was held of its answer is on the way out.
 */
type State = 'open' | 'committed' | 'ending' | 'over';

/**
 * A call that can have several attempts, one after another or at once. Here is what both have in common: the caller gets
 * one answer, and every attempt the whole request. Whether there is another attempt, and when, is said by those that
 * extend it.
 */
export abstract class RepeatedCall implements Body, AttemptOwner {
  protected readonly parts: CallParts;
  protected readonly attempts: Attempts;
  readonly #bounds: CallBounds;
  readonly #upload: Upload;
  #state: State = 'open';
  /** Reply bytes granted by the caller; each attempt gets all of it, as nothing of the others' replies was passed on. */
  #replyGranted = 0;

  constructor(parts: CallParts, bounds: CallBounds) {
    this.parts = parts;
    this.attempts = new Attempts(parts.head, parts.facts);
    this.#bounds = bounds;
    this.#upload = new Upload(this.attempts, parts.reply, bounds.maxBufferBytes);
  }

  /** Attempts that count, before the one that starts. */
  protected abstract previousAttempts(): number;
  /** Whether there could be an answer in place of one that fails: only then is it worth holding back. */
  protected abstract isReplaceable(): boolean;
  /** An attempt has failed and is gone. False when its failure is the call's. */
  protected abstract failed(failure: Failure): boolean;
  /** There is no other attempt any more: what is due must not start. */
  protected abstract settled(): void;
  /** The call's answer has come: a stream's first part, or its end. */
  protected abstract answered(): void;

  write(bytes: Uint8Array): void {
    if (this.#isDone()) return;
    this.#upload.write(bytes);
    // Last, since it may grant, and the caller may then write the next bytes at once.
    this.#checkSize();
  }

  end(): void {
    if (!this.#isDone()) this.#upload.end();
  }

  cancel(reason: Cancel): void {
    if (this.#state !== 'over') this.#finish(reason);
  }

  grant(bytes: number): void {
    if (this.#isDone()) return;
    this.#replyGranted += bytes;
    const { only } = this.attempts;
    if (only === undefined) this.attempts.forEach((attempt) => attempt.body?.grant(bytes));
    else only.body?.grant(bytes);
  }

  onHead(attempt: Attempt, head: ResponseHead): void {
    if (this.#state === 'committed') {
      if (!this.#isUnary()) this.answered();
      this.parts.reply.head(head);
      return;
    }
    this.attempts.learnEndpoint(attempt);
    attempt.heldHead = head;
    if (!this.isReplaceable()) this.#commit(attempt);
    else if (!this.#isUnary()) this.#holdHead(attempt);
  }

  onWrite(attempt: Attempt, bytes: Uint8Array): void {
    // A unary call's caller has no use for its message before the status, and a backend that dies between the two would
    // leave it with half an answer that nobody can take back.
    if (this.#state === 'open' && this.#isUnary() && this.isReplaceable() && attempt.hold(bytes)) return;
    this.#commit(attempt);
    // The caller may have left on the head.
    if (!attempt.isOver) this.parts.reply.write(bytes);
  }

  onEnd(attempt: Attempt, trailers: Fields): void {
    this.attempts.learnEndpoint(attempt);
    const failure = failureOfEnd(attempt.heldHead, trailers);
    this.attempts.drop(attempt, failure?.outcome ?? OK_OUTCOME);
    if (failure === undefined) {
      this.parts.facts.succeeded(this.parts.head);
      this.answered();
    } else if (this.#state === 'open' && this.failed(failure)) return;
    this.#finish('superseded', attempt);
    if (attempt.heldHead !== undefined) {
      this.#state = 'ending';
      attempt.passHeld(this.parts.reply);
      if (!this.#isState('ending')) return;
      this.#state = 'over';
    }
    this.parts.reply.end(trailers);
  }

  onFail(attempt: Attempt, error: CallError): void {
    this.attempts.learnEndpoint(attempt);
    const failure = failureOfError(error);
    this.attempts.drop(attempt, failure.outcome);
    this.#fail(attempt, error, failure);
  }

  onGrant(attempt: Attempt, bytes: number): void {
    attempt.credit += bytes;
    attempt.granted += bytes;
    this.#upload.pump(attempt);
    if (attempt.isOver) return;
    this.#upload.passGrants();
    this.#checkSize();
  }

  isPassing(): boolean {
    return this.#state === 'committed' || this.#state === 'ending';
  }

  protected isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Starts an attempt. */
  protected launch(kind: AttemptKind): void {
    const { head, next, facts } = this.parts;
    const attempt = new Attempt(this, kind);
    this.attempts.add(attempt);
    if (!this.#upload.keeps) {
      this.#state = 'committed';
      this.settled();
    }
    facts.onRetry(head, kind);
    const picks = head.call.attempts;
    const body = next(this.attempts.nextHead(this.previousAttempts()), attempt);
    attempt.body = body;
    if (head.call.attempts > picks) attempt.endpoint = head.call.endpoint;
    const timeoutMs = this.#bounds.perAttemptTimeoutMs;
    if (timeoutMs !== undefined) attempt.expiry = facts.clock.after(timeoutMs, () => this.#expire(attempt, timeoutMs));
    if (this.#replyGranted > 0) body.grant(this.#replyGranted);
    this.#upload.pump(attempt);
  }

  #isDone(): boolean {
    return this.#state === 'over' || this.#state === 'ending';
  }

  /** Reads the state anew: calls outward may come back and change it. */
  #isState(state: State): boolean {
    return this.#state === state;
  }

  #isUnary(): boolean {
    return this.parts.head.call.method?.kind === 'unary';
  }

  /** Clients that wait for the head of a stream, as `fetch` does, must not hang until the first message. */
  #holdHead(attempt: Attempt): void {
    const { holdHeadMs } = this.#bounds;
    if (holdHeadMs <= 0) this.#commit(attempt);
    else attempt.holding = this.parts.facts.clock.after(holdHeadMs, () => this.#commit(attempt));
  }

  #checkSize(): void {
    if (this.#state === 'open' && this.#upload.isTooLarge()) this.#commit(this.attempts.farthest());
  }

  /** Makes an attempt the last one; without one, the next that is due. */
  #commit(attempt: Attempt | undefined): void {
    if (this.#state !== 'open') return;
    this.#upload.commit(attempt);
    if (attempt === undefined) return;
    this.#state = 'committed';
    this.settled();
    this.attempts.cancel('superseded', attempt);
    this.attempts.showEndpoint(attempt);
    attempt.holding?.cancel();
    // A stream may go on for as long as it likes, once it is the call's answer.
    if (!this.#isUnary()) attempt.expiry?.cancel();
    if (attempt.heldHead !== undefined) {
      if (!this.#isUnary()) this.answered();
      attempt.passHeld(this.parts.reply);
    }
    if (this.#isState('committed')) this.#upload.passGrants();
  }

  /** Of an attempt that is gone. */
  #fail(attempt: Attempt, error: CallError, failure: Failure): void {
    if (this.#state === 'open' && this.failed(failure)) return;
    this.#finish('superseded', attempt);
    this.parts.reply.fail(error);
  }

  #expire(attempt: Attempt, timeoutMs: number): void {
    const error = callError(Code.deadlineExceeded, `an attempt took longer than the ${timeoutMs} ms it may take`);
    const failure = failureOfError(error, true);
    this.attempts.drop(attempt, failure.outcome);
    attempt.body?.cancel('deadline');
    if (!this.#isDone()) this.#fail(attempt, error, failure);
  }

  /** `answer` is the attempt whose answer is the call's. */
  #finish(reason: Cancel, answer?: Attempt): void {
    this.#state = 'over';
    this.settled();
    this.#upload.clear();
    this.attempts.cancel(reason);
    this.attempts.releasePlaces();
    if (answer !== undefined) this.attempts.showEndpoint(answer);
  }
}
