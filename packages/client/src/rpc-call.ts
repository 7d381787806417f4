import {
  Code as CoreCode,
  getField,
  NO_FIELDS,
  type Body,
  type CallError,
  type Cancel,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Timer,
} from '@bascule/core';
import { encodeFrame, FLAG_COMPRESSED } from '@bascule/wire';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import type { Backend } from './backend.ts';
import { deadlineError, errorOfAbort, errorOfOuter, errorOfTrailers, errorOfWire } from './failures.ts';
import { MessageAssembler, type MessageSink } from './message-assembler.ts';
import type { MethodPlan } from './method-plan.ts';
import { LazyHeaders } from './response-headers.ts';
import { Repeats } from './repeats.ts';
import type { TransportSettings } from './settings.ts';
import { Upload } from './upload.ts';

/** Below it grants are put together: a short answer then costs the wire no word about credit at all. */
const GRANT_BATCH_BYTES = 16_384;

export interface RpcCallParts {
  readonly settings: TransportSettings;
  readonly backend: Backend;
  readonly plan: MethodPlan;
  readonly head: RequestHead;
  readonly signal: AbortSignal | undefined;
  /** Of the call in whose handler this one is made. */
  readonly outer: AbortSignal | undefined;
  /** `signal` fires at the deadline, so the call needs no timer of its own. */
  readonly signalKeepsDeadline: boolean;
}

/**
 * - `trying`: an attempt runs or the next one is due; nothing has been answered.
 * - `answering`: the server has begun to answer, so this attempt is the last one.
 */
type State = 'trying' | 'answering' | 'over';

/** One call in the inner dialect, from the first attempt to the end: what calls of all kinds have in common. */
export abstract class RpcCall implements Reply, MessageSink {
  readonly header = new LazyHeaders();
  readonly trailer = new LazyHeaders();
  protected readonly parts: RpcCallParts;
  #state: State = 'trying';
  #body: Body | undefined = undefined;
  readonly #upload = new Upload();
  readonly #assembler: MessageAssembler;
  #headFields: Fields = NO_FIELDS;
  #compression: Compression | undefined = undefined;
  #owedBytes = 0;
  #deadline: Timer | undefined = undefined;
  #repeats: Repeats | undefined = undefined;
  #pause: Timer | undefined = undefined;

  constructor(parts: RpcCallParts) {
    this.parts = parts;
    this.#assembler = new MessageAssembler(this, parts.plan.readMaxBytes);
  }

  /** A message came, compressed in that way. */
  protected abstract onBytes(message: Uint8Array, compression: Compression | undefined): void;
  /** The server has begun to answer. */
  protected abstract onHead(): void;
  /** The call is over; undefined when all went well. Headers and trailers are filled. */
  protected abstract onEnd(error: ConnectError | undefined): void;
  /** More of the request may be sent. */
  protected onRoom(): void {}
  /** Bytes of answers that wait for their reader: the server gets no more room while they are many. */
  protected unreadBytes(): number {
    return 0;
  }

  /** Begins the call. Nothing of the answer comes before this has returned. */
  protected begin(): void {
    const { signal, outer, settings, head, signalKeepsDeadline, backend } = this.parts;
    backend.enter();
    const { deadlineMs } = head.call;
    if (deadlineMs !== undefined && !signalKeepsDeadline) {
      // A timer rounds down to whole milliseconds; a call must not end before its time.
      const leftMs = Math.max(0, Math.ceil(deadlineMs - settings.clock.nowMs()));
      this.#deadline = settings.clock.after(leftMs, () => this.abandon(deadlineError(), 'deadline'));
    }
    signal?.addEventListener('abort', this);
    outer?.addEventListener('abort', this);
    // Where others repeat calls, they keep what they need for it.
    if (!backend.isRepeatable) this.#upload.commit();
    this.#try();
  }

  isOver(): boolean {
    return this.#state === 'over';
  }

  /** The caller's signal fired, or the outer call's. */
  handleEvent(): void {
    const { signal, outer } = this.parts;
    const error = signal?.aborted === true ? errorOfAbort(signal) : outer && errorOfOuter(outer);
    if (error === undefined) return;
    this.abandon(error, error.code === Code.DeadlineExceeded ? 'deadline' : 'caller-gone');
  }

  /** Whether all that was sent has left and more may. */
  hasRoom(): boolean {
    return this.#upload.hasRoom();
  }

  /** Sends a message; `bytes` are as the flags say. */
  send(flags: number, bytes: Uint8Array): void {
    this.#upload.push(encodeFrame(flags, bytes));
    this.#pump();
  }

  endRequest(): void {
    this.#upload.end();
    this.#pump();
  }

  /** Gives the call up from our side. */
  abandon(error: ConnectError, reason: Cancel): void {
    if (this.#state === 'over') return;
    const body = this.#body;
    this.#finish(error);
    body?.cancel(reason);
  }

  /** Answer bytes were read: the server may send as many more. */
  protected grantOwed(): void {
    if (this.#owedBytes < GRANT_BATCH_BYTES || this.#state === 'over') return;
    // Beyond this the reader is behind. What it has not read yet bounds the memory together with one message.
    if (this.unreadBytes() > GRANT_BATCH_BYTES * 4) return;
    const owed = this.#owedBytes;
    this.#owedBytes = 0;
    this.#body?.grant(owed);
  }

  head(head: ResponseHead): void {
    if (this.#state !== 'trying') return;
    this.#answer(head.fields);
    const name = getField(head.fields, 'grpc-encoding');
    if (name !== undefined && name !== 'identity') {
      this.#compression = this.parts.settings.acceptCompression.find((compression) => compression.name === name);
      if (this.#compression === undefined) return this.#refuse(`the server answers in the unknown encoding "${name}"`);
    }
    this.onHead();
  }

  write(bytes: Uint8Array): void {
    if (this.#state !== 'answering') return;
    this.#owedBytes += bytes.length;
    this.#assembler.push(bytes);
    this.grantOwed();
  }

  end(trailers: Fields): void {
    if (this.#state === 'over') return;
    if (this.#state === 'trying') this.#answer(NO_FIELDS);
    this.trailer.fill(trailers);
    const error = errorOfTrailers(trailers, this.#headFields);
    this.#finish(error?.code === Code.Canceled && this.#isLate() ? deadlineError() : error);
  }

  fail(error: CallError): void {
    if (this.#state === 'over') return;
    if (this.#state === 'trying' && this.#tryAgain(error)) return;
    // A server that watches the same deadline may reset the call a moment before our timer runs.
    const isDeadline = error.code === CoreCode.canceled && this.#isLate();
    this.#finish(isDeadline ? deadlineError() : errorOfWire(error, this.#headFields));
  }

  grant(bytes: number): void {
    if (this.#state === 'over') return;
    this.#upload.grant(bytes);
    this.#pump();
    if (this.hasRoom()) this.onRoom();
  }

  onMessage(flags: number, message: Uint8Array): boolean {
    if ((flags & FLAG_COMPRESSED) === 0) this.onBytes(message, undefined);
    else if (this.#compression === undefined) this.#refuse('the server sent a compressed message and did not say how');
    // Nothing is an empty message in every encoding.
    else this.onBytes(message, message.length === 0 ? undefined : this.#compression);
    return !this.isOver();
  }

  onTooLarge(bytes: number): void {
    const { readMaxBytes, policy } = this.parts.plan;
    const name = readMaxBytes === policy.maxResponseBytes ? 'maxResponseBytes' : 'readMaxBytes';
    const message = `a message of ${bytes} bytes is larger than ${name}, ${readMaxBytes}`;
    this.abandon(new ConnectError(message, Code.ResourceExhausted), 'protocol-error');
  }

  #try(): void {
    const { backend, head } = this.parts;
    this.#body = backend.service(head, this);
    this.#pump();
    // What was sent during a pause has left only now.
    if (this.hasRoom()) this.onRoom();
  }

  #pump(): void {
    if (this.#body !== undefined && this.#state !== 'over') this.#upload.pump(this.#body, this);
  }

  #answer(fields: Fields): void {
    this.#state = 'answering';
    this.#headFields = fields;
    this.header.fill(fields);
    this.#upload.commit();
  }

  /** Repeats a call that the server provably has not seen. */
  #tryAgain(error: CallError): boolean {
    if (!this.#upload.canReplay()) return false;
    const { settings, head } = this.parts;
    const repeats = (this.#repeats ??= new Repeats(settings.clock, settings.connectWaitMs));
    const delayMs = repeats.next(error, head.call.deadlineMs);
    if (delayMs === undefined) return false;
    this.#body = undefined;
    this.#upload.rewind();
    const again = (): void => {
      if (this.#state !== 'trying') return;
      if (delayMs > 0 && error.processed === 'never-sent') this.parts.backend.redial();
      this.#try();
    };
    // Not at once: the link that failed this call may still be failing others.
    if (delayMs === 0) queueMicrotask(again);
    else this.#pause = settings.clock.after(delayMs, again);
    return true;
  }

  #finish(error: ConnectError | undefined): void {
    this.#state = 'over';
    this.#body = undefined;
    this.#deadline?.cancel();
    this.#pause?.cancel();
    this.parts.signal?.removeEventListener('abort', this);
    this.parts.outer?.removeEventListener('abort', this);
    this.parts.backend.leave();
    this.onEnd(error);
  }

  #refuse(message: string): void {
    this.abandon(new ConnectError(message, Code.Internal), 'protocol-error');
  }

  #isLate(): boolean {
    const { deadlineMs } = this.parts.head.call;
    return deadlineMs !== undefined && this.parts.settings.clock.nowMs() >= deadlineMs;
  }
}
