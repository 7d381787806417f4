import type { Body, CallError, Cancel, Fields, Reply, ResponseHead } from '@bascule/core';

/**
 * What layers that change little have in common: everything passes until the first terminal event, nothing after it.
 * The callee's side; {@link begin} makes the caller's.
 */
export class Passage implements Reply {
  protected readonly reply: Reply;
  /** Undefined once the call is over for this layer. */
  body: Body | undefined = undefined;

  constructor(reply: Reply) {
    this.reply = reply;
  }

  /** Takes what the next service returned, and gives what this layer returns. */
  begin(body: Body): Body {
    this.body = body;
    return new PassageBody(this);
  }

  /** Ends the call for this layer; undefined if it had ended before. */
  over(): Body | undefined {
    const body = this.body;
    if (body === undefined) return undefined;
    this.body = undefined;
    this.release();
    return body;
  }

  /** The caller gives up: what the callee still holds then is known before this layer lets go of its own. */
  cancel(reason: Cancel): void {
    const body = this.body;
    if (body === undefined) return;
    this.body = undefined;
    try {
      body.cancel(reason);
    } finally {
      this.release();
    }
  }

  head(head: ResponseHead): void {
    if (this.body !== undefined) this.reply.head(head);
  }

  write(bytes: Uint8Array): void {
    if (this.body !== undefined) this.reply.write(bytes);
  }

  end(trailers: Fields): void {
    if (this.over() !== undefined) this.reply.end(trailers);
  }

  fail(error: CallError): void {
    if (this.over() !== undefined) this.reply.fail(error);
  }

  grant(bytes: number): void {
    if (this.body !== undefined) this.reply.grant(bytes);
  }

  /** Gives back what the layer holds. Runs exactly once, whichever side ended the call. */
  protected release(): void {}
}

class PassageBody implements Body {
  readonly #passage: Passage;

  constructor(passage: Passage) {
    this.#passage = passage;
  }

  write(bytes: Uint8Array): void {
    this.#passage.body?.write(bytes);
  }

  end(): void {
    this.#passage.body?.end();
  }

  cancel(reason: Cancel): void {
    this.#passage.cancel(reason);
  }

  grant(bytes: number): void {
    this.#passage.body?.grant(bytes);
  }
}
