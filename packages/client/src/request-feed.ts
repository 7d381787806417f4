import type { Cancel } from '@bascule/core';
import { create } from '@bufbuild/protobuf';
import type { DescMessage, DescMethodStreaming, MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { encodeRequest } from './encode-request.ts';
import type { RpcCallParts } from './rpc-call.ts';

type Requests = AsyncIterator<MessageInitShape<DescMessage>>;

/** Where the requests of a stream go. */
interface RequestSink {
  isOver(): boolean;
  /** Whether all that was sent has left and more may. */
  hasRoom(): boolean;
  send(flags: number, bytes: Uint8Array): void;
  endRequest(): void;
  /** Gives the call up. */
  abandon(error: ConnectError, reason: Cancel): void;
}

/** Hands the requests of a stream on as they come, and cleans up after them when the call is over. */
export class RequestFeed {
  readonly #sink: RequestSink;
  readonly #parts: RpcCallParts;
  readonly #method: DescMethodStreaming;
  #requests: Requests | undefined;
  #room: PromiseWithResolvers<void> | undefined = undefined;

  constructor(sink: RequestSink, parts: RpcCallParts, method: DescMethodStreaming, requests: Requests) {
    this.#sink = sink;
    this.#parts = parts;
    this.#method = method;
    this.#requests = requests;
  }

  /** Pulls no request before the one before it has left: a slow server slows the caller down. */
  async run(): Promise<void> {
    const sink = this.#sink;
    const { plan, settings } = this.#parts;
    try {
      while (!sink.isOver() && this.#requests !== undefined) {
        const next = await this.#requests.next();
        if (next.done === true) {
          this.#requests = undefined;
          return sink.endRequest();
        }
        if (sink.isOver()) return;
        const { flags, bytes } = await encodeRequest(plan, settings, create(this.#method.input, next.value));
        sink.send(flags, bytes);
        if (!sink.hasRoom()) await this.#waitForRoom();
      }
    } catch (thrown) {
      sink.abandon(ConnectError.from(thrown, Code.Internal), 'caller-gone');
    }
  }

  /** More may be sent. */
  wake(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.resolve();
  }

  /** The call is over, and the requests are not read any more: whoever makes them may clean up. */
  letGo(error: ConnectError | undefined): void {
    this.wake();
    const requests = this.#requests;
    this.#requests = undefined;
    if (requests !== undefined) void cleanUp(requests, error);
  }

  #waitForRoom(): Promise<void> {
    if (this.#sink.isOver()) return Promise.resolve();
    this.#room = Promise.withResolvers<void>();
    return this.#room.promise;
  }
}

/** What a caller's own clean-up throws has nobody left to hear it: the call is over. */
async function cleanUp(requests: Requests, error: ConnectError | undefined): Promise<void> {
  try {
    if (error !== undefined) await requests.throw?.(error);
  } catch {
    // Usually the very error.
  }
  try {
    await requests.return?.();
  } catch {
    // See above.
  }
}
