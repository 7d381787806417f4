import {
  outcomeOfEnd,
  type Body,
  type CallError,
  type Cancel,
  type Fields,
  type Reply,
  type ResponseHead,
} from '@bascule/core';
import { Passage } from '../passage.ts';
import type { AnswerSide } from './comparison.ts';
import type { MirrorCopy } from './copy.ts';
import type { MirrorJudge } from './judge.ts';

export interface Mirroring {
  readonly copy: MirrorCopy;
  readonly judge: MirrorJudge;
  /** Undefined compares nothing. */
  readonly side: AnswerSide | undefined;
}

/** Passes everything, and after that gives it to the copy, which the call does not wait for. */
export class MirroredCall extends Passage {
  readonly #mirroring: Mirroring;
  #head: ResponseHead | undefined = undefined;
  #hasEnded = false;

  constructor(reply: Reply, mirroring: Mirroring) {
    super(reply);
    this.#mirroring = mirroring;
  }

  override begin(body: Body): Body {
    const inner = super.begin(body);
    const { copy } = this.#mirroring;
    copy.begin();
    return {
      write: (bytes) => {
        inner.write(bytes);
        if (!this.#hasEnded) copy.write(bytes);
      },
      end: () => {
        this.#hasEnded = true;
        inner.end();
        copy.end();
      },
      cancel: (reason) => inner.cancel(reason),
      grant: (bytes) => inner.grant(bytes),
    };
  }

  override head(head: ResponseHead): void {
    const { side } = this.#mirroring;
    this.#head = head;
    if (this.body !== undefined && side !== undefined) side.httpStatus = head.status;
    super.head(head);
  }

  override write(bytes: Uint8Array): void {
    if (this.body !== undefined) this.#mirroring.side?.cutter.push(bytes);
    super.write(bytes);
  }

  override end(trailers: Fields): void {
    if (this.over() === undefined) return;
    const { copy, judge, side } = this.#mirroring;
    if (side !== undefined) side.outcome = outcomeOfEnd(this.#head, trailers);
    this.reply.end(trailers);
    // An answer that did not wait for the whole request says nothing of one that would have.
    if (!this.#hasEnded) return this.#abandon('superseded');
    judge.callEnded();
    copy.linger();
  }

  override fail(error: CallError): void {
    if (this.over() === undefined) return;
    this.reply.fail(error);
    this.#abandon('superseded');
  }

  override cancel(reason: Cancel): void {
    const isOpen = this.body !== undefined;
    super.cancel(reason);
    if (isOpen) this.#abandon(reason);
  }

  #abandon(reason: Cancel): void {
    this.#mirroring.judge.callAbandoned();
    this.#mirroring.copy.giveUp(reason);
  }
}
