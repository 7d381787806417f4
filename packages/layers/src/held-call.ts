import {
  INITIAL_CREDIT_BYTES,
  KeptBytes,
  type Body,
  type CallError,
  type Cancel,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
} from '@bascule/core';
import { Passage } from './passage.ts';

export interface HeldParts {
  readonly head: RequestHead;
  readonly reply: Reply;
  readonly next: Service;
}

/**
 * - `holding`: what the caller says is kept.
 * - `started`: the next service has the call, and gets what was kept before anything else.
 */
type State = 'holding' | 'started' | 'over';

/**
 * A call that is handed on later than it came: for layers that must first read of it, ask somebody or wait. Whoever
 * holds it calls `start` or `refuse` once the caller has its Body. The caller may write its initial credit meanwhile,
 * and what `lend` grants beyond; the next service's grants pay that back before they reach the caller.
 */
export abstract class HeldCall implements Body {
  protected readonly parts: HeldParts;
  protected readonly kept = new KeptBytes();
  protected hasEnded = false;
  #state: State = 'holding';
  #body: Body | undefined = undefined;
  /** What was kept and the next service has no credit for yet. */
  #pieces: Uint8Array[] = [];
  #credit = INITIAL_CREDIT_BYTES;
  #isEndSent = false;
  /** Granted to the caller, and not yet by the next service. */
  #lent = 0;
  #replyGranted = 0;

  constructor(parts: HeldParts) {
    this.parts = parts;
  }

  isHolding(): boolean {
    return this.#state === 'holding';
  }

  write(bytes: Uint8Array): void {
    if (this.#state === 'over' || this.hasEnded || bytes.length === 0) return;
    if (this.#body !== undefined && bytes.length <= this.#credit && !this.#hasKept()) {
      this.#credit -= bytes.length;
      this.#body.write(bytes);
      return;
    }
    this.kept.append(bytes);
    if (this.#body === undefined) this.onKept();
    else this.#pump(this.#body);
  }

  end(): void {
    if (this.#state === 'over' || this.hasEnded) return;
    this.hasEnded = true;
    if (this.#body === undefined) this.onEnded();
    else this.#pump(this.#body);
  }

  cancel(reason: Cancel): void {
    if (this.#state === 'over') return;
    if (this.#body === undefined) this.finish();
    else this.#body.cancel(reason);
  }

  grant(bytes: number): void {
    if (this.#body === undefined) this.#replyGranted += bytes;
    else this.#body.grant(bytes);
  }

  /**
   * Hands the call on, with what was kept. `pieces` were taken out of it and come first; as far as they are within the
   * initial credit they may be lent, since they are written before anything can come back.
   */
  protected start(pieces: Uint8Array[] = []): void {
    if (this.#state !== 'holding') return;
    this.#state = 'started';
    this.#pieces = pieces;
    const answer = new HeldAnswer(this.parts.reply, this);
    const body = answer.begin(this.parts.next(this.parts.head, answer));
    this.#body = body;
    this.#pump(body);
    if (this.#replyGranted > 0) body.grant(this.#replyGranted);
  }

  /** Ends a call that was not handed on. */
  protected refuse(error: CallError): void {
    if (this.#state !== 'holding') return;
    this.finish();
    this.parts.reply.fail(error);
  }

  /** Lets the caller write more than the initial credit while it is held. */
  protected lend(bytes: number): void {
    this.#lent += bytes;
    this.parts.reply.grant(bytes);
  }

  /** The next service lets the caller write more. */
  takeGrant(bytes: number): void {
    this.#credit += bytes;
    const paidBack = Math.min(bytes, this.#lent);
    this.#lent -= paidBack;
    if (this.#body !== undefined) this.#pump(this.#body);
    if (bytes > paidBack && this.#state === 'started') this.parts.reply.grant(bytes - paidBack);
  }

  /** Runs exactly once, whichever side ended the call. */
  finish(): void {
    this.#state = 'over';
    this.#pieces = [];
    this.kept.clear();
    this.onOver();
  }

  /** The answer has begun. */
  onHead(): void {}

  /** More was kept. */
  protected onKept(): void {}

  /** The request ended while it was held. */
  protected onEnded(): void {}

  /** Gives back what the layer holds. */
  protected onOver(): void {}

  #hasKept(): boolean {
    return this.#pieces.length > 0 || this.kept.size > 0;
  }

  /** A callee may grant inside `write`, and so come back: each piece is taken off before it is written. */
  #pump(body: Body): void {
    while (this.#credit > 0 && this.#hasKept()) {
      if (this.#pieces.length === 0) this.#pieces = this.kept.takeAll();
      const piece = this.#pieces[0] as Uint8Array;
      const part = piece.subarray(0, this.#credit);
      if (part.length === piece.length) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(part.length);
      this.#credit -= part.length;
      body.write(part);
    }
    if (!this.hasEnded || this.#isEndSent || this.#hasKept()) return;
    this.#isEndSent = true;
    body.end();
  }
}

class HeldAnswer extends Passage {
  readonly #call: HeldCall;

  constructor(reply: Reply, call: HeldCall) {
    super(reply);
    this.#call = call;
  }

  override head(head: ResponseHead): void {
    if (this.body !== undefined) this.#call.onHead();
    super.head(head);
  }

  override grant(bytes: number): void {
    if (this.body !== undefined) this.#call.takeGrant(bytes);
  }

  protected override release(): void {
    this.#call.finish();
  }
}
