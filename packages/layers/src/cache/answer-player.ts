import { INITIAL_CREDIT_BYTES, type Reply } from '@bascule/core';
import type { Answer } from './store.ts';

/** Gives an answer that is whole already to a caller, within its credit. */
export class AnswerPlayer {
  readonly #reply: Reply;
  #answer: Answer | undefined;
  #at = 0;
  #credit: number;

  constructor(reply: Reply, answer: Answer, granted: number) {
    this.#reply = reply;
    this.#answer = answer;
    this.#credit = INITIAL_CREDIT_BYTES + granted;
  }

  /** `head` in place of the answer's own. */
  start(head = this.#answer?.head): void {
    if (head !== undefined) this.#reply.head(head);
    this.#pump();
  }

  grant(bytes: number): void {
    this.#credit += bytes;
    this.#pump();
  }

  /** The caller has left. */
  stop(): void {
    this.#answer = undefined;
  }

  /** The caller may grant or leave inside of each call. */
  #pump(): void {
    for (let answer = this.#answer; answer !== undefined; answer = this.#answer) {
      const from = this.#at;
      const length = Math.min(this.#credit, answer.bytes.length - from);
      if (length === 0) break;
      this.#at += length;
      this.#credit -= length;
      this.#reply.write(answer.bytes.subarray(from, from + length));
    }
    const answer = this.#answer;
    if (answer === undefined || this.#at < answer.bytes.length) return;
    this.#answer = undefined;
    this.#reply.end(answer.trailers);
  }
}
