import { callError, Code, type CallError } from '@bascule/core';
import type { ByteBuffer } from '../byte-buffer.ts';
import { beginHeaders, endHeaders } from '../header-frames.ts';
import { TABLE_SIZE_ZERO } from '../hpack/encoder.ts';
import type { Outbox } from '../outbox.ts';
import type { PeerSettings } from '../settings.ts';
import type { ClientCall } from './call.ts';
import type { RequestEncoder } from './request.ts';

const TABLE_SIZE_UPDATE = Uint8Array.of(TABLE_SIZE_ZERO);

/** Puts the HEADERS of calls into the outbox of one connection. */
export class RequestHeads {
  readonly #outbox: Outbox;
  readonly #settings: PeerSettings;
  readonly #requests: RequestEncoder;
  /** Stream whose block says that our encoder keeps no table, as the first one must; 0 while none has. */
  #tellerId = 0;

  constructor(outbox: Outbox, settings: PeerSettings, requests: RequestEncoder) {
    this.#outbox = outbox;
    this.#settings = settings;
    this.#requests = requests;
  }

  /** Adds HEADERS of a call that has its stream id. Returns why the head cannot be sent, or undefined. */
  put(call: ClientCall): CallError | undefined {
    const outbox = this.#outbox;
    const out = outbox.bytes;
    const at = beginHeaders(outbox);
    if (this.#tellerId === 0) out.append(TABLE_SIZE_UPDATE);
    const refusal = this.#encode(call, out);
    if (refusal !== undefined) {
      out.length = at;
      return refusal;
    }
    if (this.#tellerId === 0) this.#tellerId = call.id;
    endHeaders(outbox, at, call, this.#settings.maxFrameBytes);
    call.headAt = at;
    call.headTurn = outbox.turn;
    return undefined;
  }

  /** Whether HEADERS of the stream, the newest one being `lastId`, can be taken back: later blocks build on the teller's. */
  canTakeBack(streamId: number, lastId: number): boolean {
    return streamId !== this.#tellerId || streamId === lastId;
  }

  /** HEADERS of the stream do not leave. */
  takeBack(streamId: number): void {
    if (streamId === this.#tellerId) this.#tellerId = 0;
  }

  #encode(call: ClientCall, out: ByteBuffer): CallError | undefined {
    const { head } = call;
    const before = out.length;
    const wrong = this.#requests.encode(head, out);
    if (wrong !== undefined) return callError(Code.internal, wrong, 'never-sent');
    const allowed = this.#settings.maxHeaderListBytes;
    // Counting costs more than bounding, and few heads come near the limit.
    if (this.#requests.maxListBytes(head, out.length - before) <= allowed) return undefined;
    const bytes = this.#requests.listBytes(head);
    if (bytes <= allowed) return undefined;
    const message = `the request fields count ${bytes} bytes, and the backend allows ${allowed}; send less metadata`;
    return callError(Code.resourceExhausted, message, 'never-sent');
  }
}
