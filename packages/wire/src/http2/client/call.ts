import {
  callError,
  Code,
  INITIAL_CREDIT_BYTES,
  type Body,
  type Cancel,
  type CallError,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
} from '@bascule/core';
import { ErrorCode } from '../errors.ts';
import { HeldBytes } from './held-bytes.ts';
import { SendingStream } from '../sending-stream.ts';

/** Who carries a call: the queue of a link first, then the streams of a connection. */
export interface CallCarrier {
  write(call: ClientCall, bytes: Uint8Array): void;
  end(call: ClientCall): void;
  /** Gives the call up towards the peer. The call is closed already for its caller. */
  abandon(call: ClientCall, code: ErrorCode): void;
  /** The caller made room; `call.receive` has been updated. */
  granted(call: ClientCall): void;
}

/** Where the response is. */
export type Answer = 'none' | 'head';

/** Where the request body is: `ending` has its end said but bytes still waiting. */
export type Upload = 'open' | 'ending' | 'ended';

/** Fails a call on a later turn: the law forbids to call a Reply before its Body has been returned. */
export function failLater(call: ClientCall, error: CallError): void {
  setImmediate(() => call.fail(error));
}

/** One call from the service call to its terminal event, over whatever connection carries it. */
export class ClientCall extends SendingStream implements Body {
  answer: Answer = 'none';
  upload: Upload = 'open';
  carrier: CallCarrier;
  readonly head: RequestHead;
  readonly reply: Reply;
  /** Request bytes the caller may still write; checked, since a caller that ignores credit would fill our memory. */
  creditBytes = INITIAL_CREDIT_BYTES;
  /** Where HEADERS stand in the outbox, and in which turn: as long as that lasts, no byte of the call has left. */
  headAt = 0;
  headTurn = 0;
  /** Announced content-length of the response, or -1, and what has come of it. */
  contentLength = -1;
  receivedBytes = 0;
  /** `receivedBytes` and the clock when growth of the window was thought of last; see `window-growth.ts`. */
  thoughtBytes = 0;
  thoughtMs = -Infinity;
  informational = 0;
  /** Response bytes the caller can take. */
  #roomBytes = INITIAL_CREDIT_BYTES;
  #held: HeldBytes | undefined;
  /** The end of a response of which bytes are held. */
  #trailers: Fields | undefined;

  constructor(head: RequestHead, reply: Reply, carrier: CallCarrier) {
    super(0, INITIAL_CREDIT_BYTES);
    this.head = head;
    this.reply = reply;
    this.carrier = carrier;
  }

  write(bytes: Uint8Array): void {
    if (this.state === 'closed' || this.upload !== 'open' || bytes.length === 0) return;
    this.creditBytes -= bytes.length;
    if (this.creditBytes < 0) {
      return this.#giveUp('the caller wrote beyond its credit; write only what reply.grant allows');
    }
    this.carrier.write(this, bytes);
  }

  end(): void {
    if (this.state === 'closed' || this.upload !== 'open') return;
    this.upload = 'ending';
    this.carrier.end(this);
  }

  cancel(_reason: Cancel): void {
    if (this.#isOver()) return;
    this.#abandon();
  }

  grant(bytes: number): void {
    if (!(bytes > 0) || this.#isOver()) return;
    this.#roomBytes += bytes;
    if (this.#held !== undefined) this.#deliver();
    if (this.state === 'closed') return;
    this.receive.returned += bytes;
    this.carrier.granted(this);
  }

  /** Whether the caller has been given all that came. */
  get isCaughtUp(): boolean {
    return this.#held === undefined;
  }

  /** The response has begun. */
  begin(head: ResponseHead): void {
    try {
      this.reply.head(head);
    } catch (error) {
      this.#break(error);
    }
  }

  /** Response bytes have come, within the window. */
  take(bytes: Uint8Array): void {
    if (this.#held === undefined && bytes.length <= this.#roomBytes) {
      this.#roomBytes -= bytes.length;
      return this.#pass(bytes);
    }
    this.#held ??= new HeldBytes();
    this.#held.add(bytes);
    this.#deliver();
  }

  /** The response is whole. The stream is closed already. */
  finish(trailers: Fields): void {
    if (this.#held !== undefined) {
      this.#trailers = trailers;
      return;
    }
    try {
      this.reply.end(trailers);
    } catch (error) {
      warn(error);
    }
  }

  /** Ends the call for its caller. Nothing is told to the peer. */
  fail(error: CallError): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.waiting = undefined;
    this.#held = undefined;
    this.#tell(error);
  }

  onLeft(bytes: number): void {
    if (this.upload !== 'open') return;
    this.creditBytes += bytes;
    try {
      this.reply.grant(bytes);
    } catch (error) {
      this.#break(error);
    }
  }

  onCaughtUp(): void {
    if (this.upload === 'ending') this.carrier.end(this);
  }
  /** A reply that throws is a bug of a layer, and costs its own call alone: the others of the connection go on. */
  #break(error: unknown): void {
    warn(error);
    if (!this.#isOver()) this.#giveUp('a layer before the link failed');
  }

  /** Whether the caller has seen the end: of a response that is held, later than the stream's. */
  #isOver(): boolean {
    return this.state === 'closed' && this.#trailers === undefined;
  }

  #pass(bytes: Uint8Array): void {
    try {
      this.reply.write(bytes);
    } catch (error) {
      this.#break(error);
    }
  }

  /** Gives the caller what it has room for, and then the end. */
  #deliver(): void {
    const held = this.#held;
    // A caller may grant inside `write`: a nested one would overtake the bytes that it is still reading.
    if (held === undefined || held.isLent) return;
    held.isLent = true;
    while (this.#held === held && !held.isEmpty && this.#roomBytes > 0) {
      const bytes = held.take(this.#roomBytes);
      this.#roomBytes -= bytes.length;
      this.#pass(bytes);
    }
    held.isLent = false;
    if (this.#held !== held || !held.isEmpty) return;
    this.#held = undefined;
    held.free();
    const trailers = this.#trailers;
    this.#trailers = undefined;
    if (trailers !== undefined) this.finish(trailers);
  }

  #giveUp(message: string): void {
    this.#abandon();
    this.#tell(callError(Code.internal, message));
  }

  #abandon(): void {
    this.state = 'closed';
    this.#held = undefined;
    this.#trailers = undefined;
    this.carrier.abandon(this, ErrorCode.cancel);
    this.waiting = undefined;
  }

  #tell(error: CallError): void {
    try {
      this.reply.fail(error);
    } catch (thrown) {
      warn(thrown);
    }
  }
}

/** A bug of a layer must be seen, though it may not take the process with it. */
export function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}
