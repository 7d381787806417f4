import {
  callError,
  Code,
  getField,
  KeptBytes,
  type Body,
  type Cancel,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { FLAG_COMPRESSED, PREFIX_BYTES } from '../frame-scanner.ts';
import { isCommonEncoding, isEncoded } from '../upstream-encodings.ts';
import { mayFitPath, toGetHead, toPostHead } from './upstream-request.ts';
import type { UnaryAnswer } from './upstream-unary-answer.ts';

const MANY = callError(Code.unimplemented, 'a unary call takes one message, and the caller sent more');
const NONE = callError(Code.unimplemented, 'a unary call takes one message, and the caller sent none');
const UNKNOWN_ENCODING = callError(
  Code.unimplemented,
  'the encoding of the request is not known; send gzip, br, zstd, deflate, snappy or identity',
);
const TRUNCATED = callError(Code.internal, 'the request ended in the middle of a message');

/** `prefix` until the message's length is known, `passing` to a POST, or `keeping` for a GET. */
type State = 'prefix' | 'passing' | 'keeping';

interface UnaryUpstreamOptions {
  readonly next: Service;
  readonly head: RequestHead;
  readonly answer: UnaryAnswer;
  /** Whether a GET is wished for. */
  readonly get: boolean;
}

/**
 * The request of a unary call to a Connect backend. Nothing is sent before the message's prefix is known, since the
 * head says what it says; from then on bytes pass as they come.
 */
export class UnaryUpstreamRequest implements Body {
  private readonly options: UnaryUpstreamOptions;
  private readonly answer: UnaryAnswer;
  private state: State = 'prefix';
  private inner: Body | undefined;
  private prefixRead = 0;
  private compressed = false;
  private length = 0;
  private left = 0;
  private kept: KeptBytes | undefined;

  constructor(options: UnaryUpstreamOptions) {
    this.options = options;
    this.answer = options.answer;
  }

  write(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && this.state === 'prefix' && this.answer.isOpen())
      this.readPrefixByte(bytes[at++] as number);
    if (at === bytes.length || !this.answer.isOpen()) return;
    const taken = Math.min(this.left, bytes.length - at);
    this.left -= taken;
    if (taken > 0) this.pass(bytes.subarray(at, at + taken));
    if (at + taken < bytes.length) this.answer.refuse(MANY);
  }

  end(): void {
    if (!this.answer.isOpen()) return;
    if (this.state === 'prefix') return this.answer.refuse(this.prefixRead === 0 ? NONE : TRUNCATED);
    if (this.left > 0) return this.answer.refuse(TRUNCATED);
    if (this.state === 'keeping') this.sendKept();
    this.inner?.end();
  }

  cancel(reason: Cancel): void {
    this.answer.cancel(reason);
  }

  grant(bytes: number): void {
    this.answer.grantReply(bytes);
  }

  private readPrefixByte(byte: number): void {
    if (this.prefixRead === 0) this.compressed = (byte & FLAG_COMPRESSED) !== 0;
    // Not shifted: 0xFFFFFFFF must not turn negative.
    else this.length = this.length * 256 + byte;
    if (++this.prefixRead < PREFIX_BYTES) return;
    this.left = this.length;
    if (!this.compressed && this.isOddlyEncoded()) return this.answer.refuse(UNKNOWN_ENCODING);
    // The prefix goes no further, so nobody else gives its credit back.
    this.answer.grantRequest(PREFIX_BYTES);
    if (!this.answer.isOpen()) return;
    if (this.options.get && mayFitPath(this.length)) {
      this.state = 'keeping';
      this.kept = new KeptBytes();
    } else {
      this.state = 'passing';
      this.start(toPostHead(this.options.head, { compressed: this.compressed, length: this.length }));
    }
  }

  /**
   * Connect says an encoding of a message that has it, and of no other, so the callee cannot refuse one that was
   * declared and not used. A callee in gRPC would: what else comes from such a caller it could not read.
   */
  private isOddlyEncoded(): boolean {
    const encoding = getField(this.options.head.fields, 'grpc-encoding');
    return isEncoded(encoding) && !isCommonEncoding(encoding);
  }

  private pass(bytes: Uint8Array): void {
    if (this.state === 'keeping') this.kept?.append(bytes);
    else this.inner?.write(bytes);
  }

  private sendKept(): void {
    const { head } = this.options;
    const message = Buffer.concat(this.kept?.takeAll() ?? []);
    const get = toGetHead(head, message, this.compressed);
    this.start(get ?? toPostHead(head, { compressed: this.compressed, length: message.length }));
    if (get === undefined && message.length > 0) this.inner?.write(message);
  }

  private start(head: RequestHead): void {
    this.inner = this.options.next(head, this.answer);
    this.answer.connect(this.inner);
  }
}
