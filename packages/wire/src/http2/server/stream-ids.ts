import { ConnectionFault, ErrorCode } from '../errors.ts';

const MAX_RANGES = 8;

/**
 * Which stream ids a client has used (RFC 9113, 5.1.1): odd and growing. Opening a stream closes those passed over, and a
 * frame on one of them is an error of another kind than a frame on a stream that was there. What is remembered of ids
 * passed over is bounded: honest clients pass over none.
 */
export class StreamIds {
  /** The highest id used; -1 before the first. */
  #last = -1;
  readonly #passedOver: (readonly [from: number, to: number])[] = [];

  /** For GOAWAY. */
  get last(): number {
    return Math.max(0, this.#last);
  }

  isNew(streamId: number): boolean {
    return streamId > this.#last;
  }

  /** Takes a new id. Throws for one that no client may use. */
  use(streamId: number): void {
    if (streamId % 2 === 0) throw new ConnectionFault(ErrorCode.protocolError, 'a stream with an even id');
    if (streamId > this.#last + 2) this.#passedOver.push([this.#last + 2, streamId]);
    if (this.#passedOver.length > MAX_RANGES) this.#passedOver.shift();
    this.#last = streamId;
  }

  /** Throws for a frame on a stream that nobody has opened (RFC 9113, 5.1). */
  checkUsed(streamId: number, name: string): void {
    const isPassedOver = this.#passedOver.some(([from, to]) => streamId >= from && streamId < to);
    if (streamId > this.#last || streamId % 2 === 0 || isPassedOver) {
      throw new ConnectionFault(ErrorCode.protocolError, `${name} on an idle stream`);
    }
  }
}
