import {
  callError,
  Code,
  INITIAL_CREDIT_BYTES,
  type Body,
  type Cancel,
  type CallError,
  type Reply,
  type RequestHead,
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
  /** Outbox turn of HEADERS: as long as it lasts, no byte of the call has left. */
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
      const { carrier } = this;
      this.fail(callError(Code.internal, 'the caller wrote beyond its credit; write only what reply.grant allows'));
      carrier.abandon(this, ErrorCode.cancel);
      return;
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
    this.state = 'closed';
    this.waiting = undefined;
    this.carrier.abandon(this, ErrorCode.cancel);
  }

  grant(bytes: number): void {
    if (this.state === 'closed' || !(bytes > 0)) return;
    this.receive.returned += bytes;
    this.carrier.granted(this);
  }

  /** Ends the call for its caller. Nothing is told to the peer. */
  fail(error: CallError): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.waiting = undefined;
    this.reply.fail(error);
  }

  onLeft(bytes: number): void {
    if (this.upload !== 'open') return;
    this.creditBytes += bytes;
    this.reply.grant(bytes);
  }

  onCaughtUp(): void {
    if (this.upload === 'ending') this.carrier.end(this);
  }
}
