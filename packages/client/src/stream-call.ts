import type { Cancel } from '@bascule/core';
import type { DescMessage, DescMethodStreaming, Message, MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type StreamResponse } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import { errorOfAbort } from './failures.ts';
import { RequestFeed } from './request-feed.ts';
import { RpcCall, type RpcCallParts } from './rpc-call.ts';

type Result = IteratorResult<Message, undefined>;

interface Unread {
  readonly bytes: Uint8Array;
  readonly compression: Compression | undefined;
}

const DONE: Result = { done: true, value: undefined };

/** Messages there and back, as they come: client, server and bidi streams. The reader's side is an async iterator. */
export class StreamCall extends RpcCall implements AsyncIterableIterator<Message, undefined> {
  readonly #method: DescMethodStreaming;
  readonly #begun = Promise.withResolvers<StreamResponse>();
  #feed: RequestFeed | undefined = undefined;
  readonly #unread: Unread[] = [];
  #unreadBytes = 0;
  #reader: PromiseWithResolvers<Unread | undefined> | undefined = undefined;
  #error: ConnectError | undefined = undefined;

  constructor(parts: RpcCallParts, method: DescMethodStreaming) {
    super(parts);
    this.#method = method;
  }

  /** Resolves when the server has begun to answer. */
  run(requests: AsyncIterable<MessageInitShape<DescMessage>>): Promise<StreamResponse> {
    const feed = new RequestFeed(this, this.parts, this.#method, requests[Symbol.asyncIterator]());
    this.#feed = feed;
    this.begin();
    void feed.run();
    return this.#begun.promise;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Result> {
    // A reader may ask again before it has its answer.
    while (this.#reader !== undefined) await this.#reader.promise.catch(() => undefined);
    const unread = this.#unread.shift() ?? (await this.#wait());
    if (unread === undefined) return DONE;
    const { bytes, compression } = unread;
    this.#unreadBytes -= bytes.length;
    this.grantOwed();
    if (this.isOver() && this.#unread.length === 0) this.parts.signal?.removeEventListener('abort', this);
    try {
      const whole =
        compression === undefined ? bytes : await compression.decompress(bytes, this.parts.plan.readMaxBytes);
      return { done: false, value: this.parts.plan.parse(whole) };
    } catch (thrown) {
      const error = ConnectError.from(thrown, Code.Internal);
      this.abandon(error, 'caller-gone');
      // It may be over already, with more messages unread.
      this.#drop();
      this.#error = error;
      throw error;
    }
  }

  /** The reader leaves: the server need not go on. */
  return(): Promise<Result> {
    this.#drop();
    this.abandon(new ConnectError('the answers are not read any more', Code.Canceled), 'caller-gone');
    this.#error = undefined;
    return Promise.resolve(DONE);
  }

  throw(thrown: unknown): Promise<Result> {
    void this.return();
    return Promise.reject(thrown);
  }

  override abandon(error: ConnectError, reason: Cancel): void {
    // Who gave the call up wants nothing of it any more; otherwise what came before stays good.
    if (!this.isOver() && reason !== 'protocol-error') this.#drop();
    super.abandon(error, reason);
  }

  /** The caller's signal counts until the last answer is read: who has aborted gets no more of them. */
  override handleEvent(): void {
    if (!this.isOver()) return super.handleEvent();
    this.#drop();
    this.#error = errorOfAbort(this.parts.signal);
  }

  protected override unreadBytes(): number {
    return this.#unreadBytes;
  }

  protected override onRoom(): void {
    this.#feed?.wake();
  }

  protected onHead(): void {
    this.#begun.resolve(this.#toResponse());
  }

  protected onBytes(bytes: Uint8Array, compression: Compression | undefined): void {
    this.#unreadBytes += bytes.length;
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) this.#unread.push({ bytes, compression });
    else reader.resolve({ bytes, compression });
  }

  protected onEnd(error: ConnectError | undefined): void {
    this.#feed?.letGo(error);
    if (this.#unread.length > 0) this.parts.signal?.addEventListener('abort', this);
    const reader = this.#reader;
    this.#reader = undefined;
    if (error === undefined) {
      this.#begun.resolve(this.#toResponse());
      reader?.resolve(undefined);
      return;
    }
    this.#error = error;
    // One that has begun already is not rejected by this: its reader gets the error.
    this.#begun.reject(error);
    reader?.reject(error);
  }

  #wait(): Promise<Unread | undefined> {
    const error = this.#error;
    if (error !== undefined) return Promise.reject(error);
    if (this.isOver()) return Promise.resolve(undefined);
    this.#reader = Promise.withResolvers<Unread | undefined>();
    return this.#reader.promise;
  }

  #drop(): void {
    this.#unread.length = 0;
    this.#unreadBytes = 0;
  }

  #toResponse(): StreamResponse {
    const { header, trailer } = this;
    const method = this.#method;
    return {
      stream: true,
      service: method.parent,
      method,
      message: this,
      // Own properties, since interceptors spread responses, and only made when looked at.
      get header() {
        return header.get();
      },
      get trailer() {
        return trailer.get();
      },
    };
  }
}
