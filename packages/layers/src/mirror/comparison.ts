import { codeName, type Outcome } from '@bascule/core';
import { MessageCutter, type CutMessage } from './message-cutter.ts';

/** How the answer to a copy differs from the one that the caller got: the first difference in this order. */
export interface MirrorDiff {
  /**
   * `missing`: the copy has no answer. `status`: of HTTP or gRPC. `message`: the bytes of one. `count`: of messages.
   */
  readonly kind: 'missing' | 'status' | 'message' | 'count';
  /** For people: `message 2 differs from byte 7 on (15 bytes, the copy's has 17)`. */
  readonly description: string;
}

/** Bytes kept of messages that the other side has not sent yet. */
const MAX_KEPT_BYTES = 262_144;

/** One of two answers. */
export class AnswerSide {
  readonly cutter: MessageCutter;
  /** Messages that the other side has not sent yet. */
  readonly waiting: CutMessage[] = [];
  count = 0;
  httpStatus = 0;
  outcome: Outcome | undefined = undefined;

  constructor(onMessage: (side: AnswerSide, message: CutMessage) => void) {
    this.cutter = new MessageCutter(MAX_KEPT_BYTES, (message) => onMessage(this, message));
  }
}

/**
 * Compares two answers as they come, message by message. Compressed messages that differ may still say the same, and
 * messages that are too long, or too far ahead of the other side, are not kept: of those it says nothing.
 */
export class Comparison {
  readonly call: AnswerSide;
  readonly copy: AnswerSide;
  #keptBytes = 0;
  #compared = 0;
  #isBlind = false;
  #found: MirrorDiff | undefined = undefined;

  constructor() {
    this.call = new AnswerSide((side, message) => this.#onMessage(side, this.copy, message));
    this.copy = new AnswerSide((side, message) => this.#onMessage(side, this.call, message));
  }

  /** Once both have ended. */
  result(): MirrorDiff | undefined {
    const { call, copy } = this;
    const status = statusOf(call);
    const copyStatus = statusOf(copy);
    if (status !== copyStatus) return { kind: 'status', description: `${status}, the copy's is ${copyStatus}` };
    if (this.#found !== undefined || call.count === copy.count) return this.#found;
    return { kind: 'count', description: `${call.count} messages, the copy has ${copy.count}` };
  }

  #onMessage(side: AnswerSide, other: AnswerSide, message: CutMessage): void {
    side.count++;
    if (this.#isBlind || this.#found !== undefined) return;
    const partner = other.waiting.shift();
    if (partner !== undefined) {
      this.#keptBytes -= partner.bytes?.length ?? 0;
      this.#compared++;
      this.#found = side === this.call ? this.#compare(message, partner) : this.#compare(partner, message);
    } else {
      side.waiting.push(message);
      // Empty messages cost as well.
      this.#keptBytes += message.bytes?.length ?? 0;
      this.#isBlind = this.#keptBytes > MAX_KEPT_BYTES || side.waiting.length > 1_000;
    }
    if (!this.#isBlind && this.#found === undefined) return;
    side.waiting.length = 0;
    other.waiting.length = 0;
  }

  #compare(message: CutMessage, copied: CutMessage): MirrorDiff | undefined {
    if (message.bytes === undefined || copied.bytes === undefined) return undefined;
    const at = firstDifference(message.bytes, copied.bytes);
    if (at === -1 || message.flags !== 0 || copied.flags !== 0) return undefined;
    const lengths = `${message.length} bytes, the copy's has ${copied.length}`;
    return { kind: 'message', description: `message ${this.#compared} differs from byte ${at} on (${lengths})` };
  }
}

function statusOf({ httpStatus, outcome }: AnswerSide): string {
  const code = outcome === undefined ? 'none' : codeName(outcome.code);
  return httpStatus === 0 || httpStatus === 200 ? code : `${code} (HTTP ${httpStatus})`;
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return a.length === b.length ? -1 : length;
}
