import { holdWork, releaseWork, type Body, type Cancel, type Fields, type Reply } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import { headFields, type Negotiated } from '../codec/encodings.ts';
import type { MessageCodec } from '../codec/message-codec.ts';
import { DEADLINE_GRAIN_MS, type Due, type DueSlot } from '../deadlines.ts';
import type { Method } from '../method.ts';
import { runFor } from './ambient.ts';
import { CallView } from './call-view.ts';
import { createContext } from './context.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { readInnerFields } from './inner-fields.ts';
import { findRefusal } from './refusal.ts';
import { toHeadFields, toTrailerFields } from './response-fields.ts';
import type { CallStart } from './start.ts';
import { metadataFields, OK_TRAILERS, statusFields, toCallersError } from './status.ts';

/** Below it grants are put together: a short unary call then costs its wire no word about credit at all. */
const GRANT_BATCH_BYTES = 16_384;

/**
 * Where the handler's own work stands:
 * - `none`: not begun, or ended
 * - `running`: begun
 * - `held`: the call is over, and its slot is held until the handler has settled
 */
type Work = 'none' | 'running' | 'held';

/** One call of one handler, of any kind. */
export abstract class HandlerCall extends CallView implements Body, Due, FrameSink {
  readonly deadlineMs: number | undefined;
  dueSlot: DueSlot | undefined = undefined;
  dueNext: Due | undefined = undefined;
  duePrevious: Due | undefined = undefined;

  protected readonly codec: MessageCodec;
  protected readonly encodings: Negotiated;
  protected readonly reader: FrameReader;
  private readonly reply: Reply;
  private readonly writer: FrameWriter;
  private over: { readonly reason: unknown } | undefined = undefined;
  private work: Work = 'none';
  private isHeadSent = false;
  /** Said once the last message has left. */
  private owedTrailers: Fields | undefined = undefined;
  private consumedBytes = 0;

  constructor({ method, parts, head, reply }: CallStart) {
    super(method, parts, head);
    const inner = readInnerFields(head.fields, parts.clock);
    this.reply = reply;
    this.codec = inner.isJson ? method.json : method.proto;
    this.encodings = method.encodings.negotiate(inner.encoding, inner.acceptEncoding);
    this.reader = new FrameReader(this, method.readMaxBytes);
    this.writer = new FrameWriter(reply);
    this.deadlineMs = head.call.deadlineMs ?? inner.deadlineMs;
    if (this.deadlineMs !== undefined) parts.deadlines.add(this);
  }

  /** Called once, before the Body is handed out: whatever answers comes on a later turn. */
  begin(): void {
    const { requestGate } = this.method;
    if (requestGate !== undefined) {
      queueMicrotask(() => runFor<HandlerCall, Gate>(this, passGate, requestGate));
      return;
    }
    const refusal = findRefusal(this, this.encodings);
    if (refusal === undefined) this.ready();
    else queueMicrotask(() => this.fail(refusal));
  }

  /** The request may be read. Must not call the reply before its turn is over. */
  protected abstract ready(): void;
  abstract frame(flags: number, message: Uint8Array): void;
  abstract end(): void;
  /** All that was sent has left. */
  protected abstract drained(): void;
  /** The call is over: what still waits for it must not wait on. */
  protected abstract closed(reason: unknown): void;

  write(bytes: Uint8Array): void {
    if (this.over === undefined) this.reader.read(bytes);
  }

  grant(bytes: number): void {
    if (!this.writer.grant(bytes) || this.over !== undefined) return;
    if (this.owedTrailers === undefined) this.drained();
    else this.finish(this.owedTrailers, undefined);
  }

  cancel(reason: Cancel): void {
    if (this.over !== undefined) return;
    // Who waits no longer than it said it would leaves at its deadline, which is then as good as over here.
    const leftMs = this.timeoutMs() ?? Number.POSITIVE_INFINITY;
    this.close(reason === 'deadline' || leftMs <= DEADLINE_GRAIN_MS ? timedOut() : gaveUp(reason));
  }

  onDue(): void {
    this.fail(timedOut());
  }

  broken(error: ConnectError): void {
    this.fail(error);
  }

  isOver(): boolean {
    return this.over !== undefined;
  }

  protected get codecName(): 'proto' | 'json' {
    return this.codec.name;
  }

  protected get responseEncoding(): string | undefined {
    return this.encodings.response?.name;
  }

  protected overReason(): { readonly reason: unknown } | undefined {
    return this.over;
  }

  isWorking(): boolean {
    return this.work !== 'none';
  }

  startWork(): void {
    this.work = 'running';
  }

  /** Called when the handler has settled, whether or not anybody still waits for it. */
  endWork(): void {
    const before = this.work;
    this.work = 'none';
    if (before === 'held') releaseWork(this.head.call);
  }

  /** Lets the caller send on, for bytes that were taken. */
  protected consumed(bytes: number): void {
    this.consumedBytes += bytes;
    if (this.consumedBytes < GRANT_BATCH_BYTES || this.over !== undefined) return;
    const granted = this.consumedBytes;
    this.consumedBytes = 0;
    this.reply.grant(granted);
  }

  /** Sends what a handler gave, at the latest with {@link flush}. A promise where it is compressed first. Throws what it is told that cannot be sent. */
  send(output: unknown): Promise<void> | undefined {
    const { writer } = this;
    try {
      this.codec.encode(output, writer.open());
    } catch (error) {
      writer.takeOpen();
      throw error;
    }
    const { response } = this.encodings;
    if (response !== undefined && writer.openBytes() >= this.method.compressMinBytes) {
      return response.compress(writer.takeOpen()).then((compressed) => this.sendCompressed(compressed));
    }
    this.sendOpen(false);
    return undefined;
  }

  /** Writes what was sent, if it has not been written yet. */
  flush(): void {
    this.writer.flush();
  }

  hasDrained(): boolean {
    return this.writer.isIdle();
  }

  /** Ends the call well, once all that was sent has left. */
  succeed(): void {
    this.sendHead();
    this.writer.flush();
    if (this.isOver()) return;
    const trailers = this.responseTrailers === undefined ? OK_TRAILERS : this.trailersOf(this.responseTrailers);
    if (this.writer.isIdle()) this.finish(trailers, undefined);
    else this.owedTrailers = trailers;
  }

  /** Ends the call with what went wrong. What comes later is dropped. */
  fail(reason: unknown): void {
    // What was sent before is the callers'.
    this.writer.flush();
    if (this.over !== undefined) return;
    const error = toCallersError(reason);
    const head = this.headFields();
    const trailers = toTrailerFields(this.responseTrailers);
    // Connect's unary answers say an error's metadata in the head.
    const metadata = metadataFields(error);
    if (this.head.call.dialect === 'connect') head.push(...metadata);
    else trailers.push(...metadata);
    trailers.push(...statusFields(error));
    this.writer.stop();
    // Without fields of the handler's, the status comes without a head: callers that repeat calls know from it that
    // nothing of the answer was begun.
    if (!this.isHeadSent && head.length > this.ownHeadFields().length) this.sendHead(head);
    this.finish(trailers, reason);
  }

  private finish(trailers: Fields, reason: unknown): void {
    if (this.over !== undefined) return;
    // Closed first: whoever stands outside asks at the end whether work goes on.
    this.close(reason);
    this.reply.end(trailers);
  }

  private close(reason: unknown): void {
    this.over = { reason };
    if (this.work === 'running') {
      this.work = 'held';
      holdWork(this.head.call);
    }
    this.parts.deadlines.remove(this);
    this.writer.stop();
    this.closed(reason);
    this.abortSignal(reason);
  }

  private sendCompressed(bytes: Uint8Array): void {
    if (this.isOver()) return;
    this.writer.open().append(bytes);
    this.sendOpen(true);
  }

  private sendOpen(isCompressed: boolean): void {
    this.sendHead();
    if (!this.isOver()) this.writer.close(isCompressed);
  }

  private sendHead(fields?: Fields): void {
    if (this.isHeadSent || this.over !== undefined) return;
    this.isHeadSent = true;
    const untouched = this.responseHeaders === undefined;
    this.reply.head({ status: 200, fields: fields ?? (untouched ? this.ownHeadFields() : this.headFields()) });
  }

  private ownHeadFields(): Fields {
    return headFields(this.codec.name, this.encodings.response);
  }

  private headFields(): string[] {
    return toHeadFields(this.ownHeadFields(), this.responseHeaders);
  }

  /** A gRPC handler finds its status among the trailers, and may change it there. */
  private trailersOf(headers: Headers): string[] {
    const status = this.protocolName === 'connect' ? null : headers.get('grpc-status');
    return [...toTrailerFields(headers), 'grpc-status', status ?? '0'];
  }

  passGate(gate: Gate): void {
    this.startWork();
    Promise.try(() => gate(createContext(this))).then(
      () => {
        this.endWork();
        if (this.isOver()) return;
        const refusal = findRefusal(this, this.encodings);
        if (refusal === undefined) this.ready();
        else this.fail(refusal);
      },
      (reason: unknown) => {
        this.endWork();
        this.fail(reason);
      },
    );
  }
}

type Gate = NonNullable<Method['requestGate']>;

function passGate(call: HandlerCall, gate: Gate): void {
  call.passGate(gate);
}

function timedOut(): ConnectError {
  return new ConnectError('the operation timed out', Code.DeadlineExceeded);
}

function gaveUp(reason: Cancel): ConnectError {
  return new ConnectError(`the caller gave up: ${reason}`, Code.Canceled);
}
