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
import { BROKEN_HEAD, BROKEN_SERVICE, toPlainAnswer, type PlainAnswer } from './failure.ts';
import { withoutHopFields } from './fields.ts';
import { atEndOfTurn, type TurnJob } from './turn.ts';
import { startUpload, type Upload, type UploadSource } from './upload.ts';

/** The way back of one HTTP version. An exchange calls `whole` alone, or `head`, `bytes`*, `end`. None may throw. */
export interface Sink {
  /** A complete answer at once. */
  whole(head: ResponseHead, bytes: Buffer | undefined, trailers: Fields): void;
  head(head: ResponseHead): void;
  /** False if the peer is behind: `Exchange.drained` follows. */
  bytes(bytes: Buffer): boolean;
  end(bytes: Buffer | undefined, trailers: Fields): void;
  /** Breaks the answer off so that the peer can see it. */
  abort(): void;
  /** Bytes that wait for the peer. */
  waitingBytes(): number;
}

/**
 * - `waiting`: no head yet
 * - `held`: a head, nothing on the wire; the rest of this turn may complete the answer
 * - `streaming`: the head has left
 * - `over`: a terminal event was seen
 */
type Phase = 'waiting' | 'held' | 'streaming' | 'over';

// More than this is sent without waiting for the end of the turn.
const FLUSH_BYTES = 32_768;

// An answer that ends with less is not worth a timer; with more, a peer that never takes it would hold the memory for ever.
const WATCHED_BYTES = 4_096;

const NO_BODY: Body = { write() {}, end() {}, cancel() {}, grant() {} };

/** One call between a listener and its service: the callee's Reply, whichever HTTP version carries it. */
export class Exchange implements Reply, TurnJob {
  private readonly edge: Edge;
  private readonly sink: Sink;
  private body: Body = NO_BODY;
  private upload: Upload | undefined;
  private phase: Phase = 'waiting';
  private response: ResponseHead | undefined;
  private chunks: Buffer[] = [];
  private pendingBytes = 0;
  private gathering = false;
  private owedBytes = 0;
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
    // Neither of Node's servers sends a status outside this range; node:http2 throws.
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
    this.chunks.push(Buffer.from(bytes));
    this.pendingBytes += bytes.length;
    this.owedBytes += bytes.length;
    if (this.pendingBytes >= FLUSH_BYTES) this.flush();
    this.gather();
  }

  end(trailers: Fields): void {
    if (this.phase === 'over') return;
    const phase = this.phase;
    const bytes = this.takePending();
    this.finish();
    if (phase === 'streaming') {
      this.sink.end(bytes, trailers);
    } else if (this.response === undefined) {
      this.sink.whole({ status: 200, fields: withoutHopFields(trailers) }, undefined, []);
    } else {
      this.sink.whole(this.response, bytes, trailers);
    }
    if (bytes !== undefined && bytes.length >= WATCHED_BYTES && this.stall === undefined) {
      this.watchStall(this.sink.waitingBytes());
    }
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
    if (this.stall === undefined) this.giveCredit();
  }

  /** The peer has taken what waited for it. */
  drained(): void {
    this.stall?.cancel();
    this.stall = undefined;
    if (this.phase === 'streaming') this.giveCredit();
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
    if (phase === 'streaming') this.sink.abort();
    else this.sink.whole({ status, fields: ['content-type', 'text/plain; charset=utf-8'] }, Buffer.from(text), []);
  }

  private finish(): void {
    this.phase = 'over';
    this.chunks = [];
    this.upload?.drop();
  }

  private flush(): void {
    if (this.phase === 'held' && this.response !== undefined) {
      this.phase = 'streaming';
      this.sink.head(this.response);
    }
    const bytes = this.takePending();
    if (bytes === undefined) return;
    if (!this.sink.bytes(bytes) && this.stall === undefined) this.watchStall(this.sink.waitingBytes());
  }

  private takePending(): Buffer | undefined {
    if (this.pendingBytes === 0) return undefined;
    const bytes = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks, this.pendingBytes);
    this.chunks = [];
    this.pendingBytes = 0;
    return bytes;
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
    this.guard(() => this.body.grant(bytes));
  }

  private gather(): void {
    if (this.gathering || this.phase === 'over') return;
    this.gathering = true;
    atEndOfTurn(this);
  }
}

/** Length the callee announced; NaN if it is no number, undefined if it said nothing. */
export function announcedLength(fields: Fields): number | undefined {
  const value = getField(fields, 'content-length');
  if (value === undefined) return undefined;
  return /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
}
