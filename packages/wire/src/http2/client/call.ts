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
  informational = 0;

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
    if (this.state === 'closed') return;
    this.#abandon();
  }

  grant(bytes: number): void {
    if (this.state === 'closed' || !(bytes > 0)) return;
    this.receive.returned += bytes;
    this.carrier.granted(this);
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
    try {
      this.reply.write(bytes);
    } catch (error) {
      this.#break(error);
    }
  }

  /** The response is whole. The call is closed already. */
  finish(trailers: Fields): void {
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
    if (this.state !== 'closed') this.#giveUp('a layer before the link failed');
  }

  #giveUp(message: string): void {
    this.#abandon();
    this.#tell(callError(Code.internal, message));
  }

  #abandon(): void {
    this.state = 'closed';
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
