import type { Message } from '@bufbuild/protobuf';
import { FLAG_COMPRESSED, PREFIX_BYTES } from './frame-reader.ts';
import { mayStep, nextTurn } from './turn-share.ts';

/** How frames become messages, and who hears of what was taken. */
export interface RequestStreamOptions {
  decode(bytes: Uint8Array): Message;
  decompress(bytes: Uint8Array): Promise<Uint8Array>;
  /** So many bytes of the request need no room any more. */
  consumed(bytes: number): void;
}

type Result = IteratorResult<Message, undefined>;

interface Frame {
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/**
 * - `open`: more may come
 * - `ended`: what waits is the last
 * - `failed`: the next read throws
 * - `unread`: nobody reads any more
 */
type State = { type: 'open' } | { type: 'ended' } | { type: 'failed'; reason: unknown } | { type: 'unread' };

const DONE: Result = { done: true, value: undefined };

/**
 * Request messages, pushed by a caller and pulled by a handler. Bytes count as consumed when the handler takes their
 * message, or waits for it: a handler that does not read lets no more in than the initial credit.
 */
export class RequestStream implements AsyncIterableIterator<Message> {
  private readonly options: RequestStreamOptions;
  private state: State = { type: 'open' };
  private readonly frames: Frame[] = [];
  private readonly readers: PromiseWithResolvers<Result>[] = [];
  /** Received and not yet counted as consumed. */
  private unconsumedBytes = 0;

  constructor(options: RequestStreamOptions) {
    this.options = options;
  }

  /** Bytes have come, of whatever message. To be called after their frames were pushed. */
  received(bytes: number): void {
    this.unconsumedBytes += bytes;
    const isAwaited = this.readers.length > 0 || this.state.type === 'unread' || this.state.type === 'failed';
    if (isAwaited) this.consume(this.unconsumedBytes);
  }

  push(flags: number, bytes: Uint8Array): void {
    if (this.state.type !== 'open') return;
    const reader = this.readers.shift();
    if (reader === undefined) this.frames.push({ flags, bytes });
    else reader.resolve(this.read({ flags, bytes }));
  }

  end(): void {
    if (this.state.type !== 'open') return;
    this.state = { type: 'ended' };
    for (const reader of this.readers.splice(0)) reader.resolve(DONE);
  }

  /** What is not read yet is gone. */
  fail(reason: unknown): void {
    if (this.state.type === 'failed') return;
    this.state = { type: 'failed', reason };
    this.frames.length = 0;
    for (const reader of this.readers.splice(0)) {
      // A handler may have ended without waiting for what it asked for; nobody else hears of it then.
      reader.promise.catch(() => undefined);
      reader.reject(reason);
    }
  }

  next(): Promise<Result> {
    const { state } = this;
    if (state.type === 'failed') return Promise.reject(toError(state.reason));
    if (this.frames.length > 0 && !mayStep()) return nextTurn().then(() => this.next());
    const frame = this.frames.shift();
    if (frame !== undefined) {
      this.consume(Math.min(this.unconsumedBytes, PREFIX_BYTES + frame.bytes.length));
      return this.read(frame);
    }
    if (state.type !== 'open') return Promise.resolve(DONE);
    const reader = Promise.withResolvers<Result>();
    this.readers.push(reader);
    // The rest of a message that has begun: the reader waits for it.
    this.consume(this.unconsumedBytes);
    return reader.promise;
  }

  /** A handler that has stopped reading but goes on answering must not leave its caller stuck in the upload. */
  return(): Promise<Result> {
    if (this.state.type !== 'failed') this.state = { type: 'unread' };
    this.frames.length = 0;
    this.consume(this.unconsumedBytes);
    for (const reader of this.readers.splice(0)) reader.resolve(DONE);
    return Promise.resolve(DONE);
  }

  throw(reason: unknown): Promise<Result> {
    return this.return().then(() => Promise.reject(toError(reason)));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private async read({ flags, bytes }: Frame): Promise<Result> {
    try {
      const plain = (flags & FLAG_COMPRESSED) === 0 ? bytes : await this.options.decompress(bytes);
      return { done: false, value: this.options.decode(plain) };
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  private consume(bytes: number): void {
    this.unconsumedBytes -= bytes;
    if (bytes > 0) this.options.consumed(bytes);
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
