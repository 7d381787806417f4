import {
  getField,
  type Body,
  type CallError,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Timer,
} from '@bascule/core';
import type { Edge } from './edge.ts';
import { lendBuffer, takeBack } from '../http2/buffers.ts';
import type { ByteBuffer } from '../http2/byte-buffer.ts';
import { BROKEN_HEAD, BROKEN_SERVICE, toPlainAnswer, type PlainAnswer } from './failure.ts';
import { withoutHopFields } from './fields.ts';
import { atEndOfTurn, type TurnJob } from './turn.ts';
import { startUpload, type Upload, type UploadSource } from './upload.ts';

/** Bodies begin this far inside their buffer, so that a sink can put the size of a chunk before them without a copy. */
export const BODY_START = 10;

/**
 * The way back of an answer. An exchange calls `whole` alone, or `head`, `bytes`*, `end`. None may throw. Bodies are lent
 * until `waitingBytes` is 0, or `taken` was called for them.
 */
export interface Sink {
  /** A complete answer at once. */
  whole(head: ResponseHead, body: ByteBuffer | undefined, trailers: Fields): void;
  /** `bytesFollow` in this turn, so that the head may wait for them. */
  head(head: ResponseHead, bytesFollow: boolean): void;
  /** True if the system has taken them; else `writer.taken` follows, when it has taken all that was written. */
  bytes(body: ByteBuffer, writer: SinkWriter): boolean;
  end(body: ByteBuffer | undefined, trailers: Fields): void;
  /** Breaks the answer off so that the peer can see it. */
  abort(): void;
  /** Bytes that wait for the peer. */
  waitingBytes(): number;
}

/** Whoever writes to a sink. */
export interface SinkWriter {
  taken(): void;
}

/**
 * - `waiting`: no head yet
 * - `held`: a head, nothing on the wire; the rest of this turn may complete the answer
 * - `streaming`: the head has left
 * - `over`: a terminal event was seen
 */
type Phase = 'waiting' | 'held' | 'streaming' | 'over';

// More than this is sent without waiting for the end of the turn: with one more frame of HTTP/2 it fits into 64 KiB, which
// are still in the processor's cache, and into the callee's first credit.
const FLUSH_BYTES = 48_000;

// An answer that ends with less is not worth a timer; with more, a peer that never takes it would hold the memory for ever.
const WATCHED_BYTES = 4_096;

const NO_BODY: Body = { write() {}, end() {}, cancel() {}, grant() {} };

/** One call over HTTP/1.1 between a listener and its service: the callee's Reply. Streams of HTTP/2 are their own. */
export class Exchange implements Reply, TurnJob, SinkWriter {
  private readonly edge: Edge;
  private readonly sink: Sink;
  private body: Body = NO_BODY;
  private upload: Upload | undefined;
  private phase: Phase = 'waiting';
  private response: ResponseHead | undefined;
  /** Bytes of the answer that the sink has not got yet. */
  private pending: ByteBuffer | undefined;
  /** What the sink still reads. One at a time: what comes meanwhile is gathered, so that small pieces share a buffer. */
  private leaving: ByteBuffer | undefined;
  private leavingBytes = 0;
  private gathering = false;
  /** Bytes that have left, for which the callee has no new credit yet. */
  private owedBytes = 0;
  /** While the callee gets credit: one that writes at once gets more at the end of the turn, or it would never end. */
  private granting = false;
  private stall: Timer | undefined;

  constructor(edge: Edge, sink: Sink) {
    this.edge = edge;
    this.sink = sink;
    edge.openCalls += 1;
  }

  /** Starts the call; without `source` the request has no body. */
  start(head: RequestHead, source: UploadSource | undefined): void {
    this.guard(() => {
      this.body = this.edge.service(head, this);
      if (source === undefined) this.body.end();
      else this.upload = startUpload(source, this.body, (run) => this.guard(run));
    });
    if (this.phase === 'over') this.upload?.drop();
  }

  head(head: ResponseHead): void {
    if (this.phase !== 'waiting') return;
    // What Node's server would send or throw outside this range is no answer that anybody can read.
    if (!Number.isInteger(head.status) || head.status < 200 || head.status > 599) {
      this.body.cancel('protocol-error');
      this.answer(BROKEN_HEAD);
      return;
    }
    this.phase = 'held';
    this.response = { status: head.status, fields: withoutHopFields(head.fields) };
    this.gather();
  }

  write(bytes: Uint8Array): void {
    if ((this.phase !== 'held' && this.phase !== 'streaming') || bytes.length === 0) return;
    const pending = (this.pending ??= lendBody());
    pending.append(bytes);
    if (pending.length >= FLUSH_BYTES) {
      this.flush();
      // Not at the end of the turn, or a callee whose bytes come faster would have to hold them.
      if (!this.granting) this.giveCredit();
    }
    this.gather();
  }

  end(trailers: Fields): void {
    if (this.phase === 'over') return;
    const phase = this.phase;
    const body = this.takePending();
    this.finish();
    if (phase === 'streaming') {
      this.sink.end(body, trailers);
    } else if (this.response === undefined) {
      this.sink.whole({ status: 200, fields: withoutHopFields(trailers) }, undefined, []);
    } else {
      this.sink.whole(this.response, body, trailers);
    }
    this.settle(body);
  }

  fail(error: CallError): void {
    if (this.phase !== 'over') this.answer(toPlainAnswer(error));
  }

  grant(bytes: number): void {
    this.upload?.grant(bytes);
  }

  /** Called by the turn queue. */
  endTurn(): void {
    this.gathering = false;
    if (this.phase !== 'held' && this.phase !== 'streaming') return;
    this.flush();
    this.giveCredit();
  }

  /** The system has taken all that was written. */
  taken(): void {
    this.stall?.cancel();
    this.stall = undefined;
    if (this.leaving === undefined) return;
    takeBack(this.leaving);
    this.leaving = undefined;
    this.owedBytes += this.leavingBytes;
    if (this.phase !== 'streaming') return;
    this.flush();
    this.giveCredit();
  }

  /** Nothing more goes either way: the answer has left, or the caller has gone. */
  closed(): void {
    this.edge.openCalls -= 1;
    this.stall?.cancel();
    if (this.phase === 'over') return;
    this.finish();
    this.guard(() => this.body.cancel('caller-gone'));
  }

  /** A service must not throw. One that does costs its own call, never the process. */
  private guard(run: () => void): void {
    try {
      run();
    } catch {
      if (this.phase === 'over') return;
      this.answer(BROKEN_SERVICE);
      this.dismiss();
    }
  }

  /** A service that broke in the middle of a call still holds leases and timers for it. */
  private dismiss(): void {
    try {
      this.body.cancel('protocol-error');
    } catch {
      // Broken for good: nothing is left to tell it.
    }
  }

  private answer({ status, text }: PlainAnswer): void {
    const phase = this.phase;
    this.finish();
    if (phase === 'streaming') return this.sink.abort();
    const body = lendBody();
    body.append(Buffer.from(text));
    this.sink.whole({ status, fields: ['content-type', 'text/plain; charset=utf-8'] }, body, []);
    this.settle(body);
  }

  private finish(): void {
    this.phase = 'over';
    takeBack(this.takePending());
    this.upload?.drop();
  }

  private flush(): void {
    if (this.phase === 'held' && this.response !== undefined) {
      this.phase = 'streaming';
      this.sink.head(this.response, this.pending !== undefined);
    }
    if (this.leaving !== undefined) return;
    const body = this.takePending();
    if (body === undefined) return;
    const bytes = body.length - BODY_START;
    if (this.sink.bytes(body, this)) {
      takeBack(body);
      this.owedBytes += bytes;
      return;
    }
    this.leaving = body;
    this.leavingBytes = bytes;
    if (this.stall === undefined) this.watchStall(this.sink.waitingBytes());
  }

  private takePending(): ByteBuffer | undefined {
    const { pending } = this;
    this.pending = undefined;
    return pending;
  }

  /** After the last bytes. What the system has not taken, the sink reads later: it is left to the collector. */
  private settle(body: ByteBuffer | undefined): void {
    if (body === undefined) return;
    const waitingBytes = this.sink.waitingBytes();
    if (waitingBytes === 0) takeBack(body);
    else if (waitingBytes >= WATCHED_BYTES && this.stall === undefined) this.watchStall(waitingBytes);
  }

  // A peer that takes nothing holds memory for as long as it likes; one that takes slowly is left alone.
  private watchStall(waitingBytes: number): void {
    this.stall = this.edge.clock.after(this.edge.limits.writeStallMs, () => {
      const now = this.sink.waitingBytes();
      if (now < waitingBytes) this.watchStall(now);
      else this.sink.abort();
    });
  }

  private giveCredit(): void {
    const bytes = this.owedBytes;
    if (bytes === 0) return;
    this.owedBytes = 0;
    this.granting = true;
    this.guard(() => this.body.grant(bytes));
    this.granting = false;
  }

  private gather(): void {
    if (this.gathering || this.phase === 'over') return;
    this.gathering = true;
    atEndOfTurn(this);
  }
}

function lendBody(): ByteBuffer {
  const body = lendBuffer();
  body.length = BODY_START;
  return body;
}

/** Length the callee announced; NaN if it is no number, undefined if it said nothing. */
export function announcedLength(fields: Fields): number | undefined {
  const value = getField(fields, 'content-length');
  if (value === undefined) return undefined;
  return /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
}
