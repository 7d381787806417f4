import { Duplex } from 'node:stream';
import { callError, Code, INITIAL_CREDIT_BYTES, NO_FIELDS, type Body, type Reply } from '@bascule/core';

/** A stream of HTTP/2 that carries a WebSocket (RFC 8441), as the socket that ws takes: bytes both ways, within credit. */
export class StreamSocket extends Duplex {
  /** As a socket of Node counts them. */
  bytesRead = 0;
  /** What the listener's side of the stream calls. */
  readonly body: Body;
  private readonly reply: Reply;
  private phase: 'open' | 'over' = 'open';
  private credit = INITIAL_CREDIT_BYTES;
  /** Bytes read that no credit was given back for: the reader is behind. */
  private owedBytes = 0;
  private waiting: { bytes: Buffer; done: () => void } | undefined;
  /** ws writes the head of RFC 6455's answer first; here `reply.head` has said it. */
  private answer: 'to come' | 'dropped' = 'to come';

  constructor(reply: Reply) {
    super();
    this.reply = reply;
    this.body = {
      write: (bytes) => this.receive(bytes),
      end: () => void (this.phase === 'open' && this.push(null)),
      cancel: () => this.lose(),
      grant: (bytes) => this.spend(bytes),
    };
  }

  override _read(): void {
    const bytes = this.owedBytes;
    if (bytes === 0 || this.phase === 'over') return;
    this.owedBytes = 0;
    this.reply.grant(bytes);
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.answer === 'to come') {
      this.answer = 'dropped';
      return done();
    }
    this.waiting = { bytes, done };
    this.spend(0);
  }

  override _final(done: () => void): void {
    this.finish(() => this.reply.end(NO_FIELDS));
    // The stream has ended both ways: nothing more is told of it.
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.finish(() => this.reply.fail(callError(Code.unavailable, 'the WebSocket was cut off')));
    done(error);
  }

  private receive(bytes: Uint8Array): void {
    if (this.destroyed || this.readableEnded) return;
    this.bytesRead += bytes.length;
    this.owedBytes += bytes.length;
    // Lent, and kept until it is read.
    if (this.push(Buffer.from(bytes))) this._read();
  }

  private spend(granted: number): void {
    this.credit += granted;
    const { waiting } = this;
    if (waiting === undefined || this.credit === 0 || this.phase === 'over') return;
    const { bytes, done } = waiting;
    const fits = Math.min(bytes.length, this.credit);
    this.credit -= fits;
    this.waiting = fits === bytes.length ? undefined : { bytes: bytes.subarray(fits), done };
    this.reply.write(bytes.subarray(0, fits));
    if (fits === bytes.length) done();
  }

  private lose(): void {
    this.phase = 'over';
    this.destroy();
  }

  private finish(say: () => void): void {
    if (this.phase === 'over') return;
    this.phase = 'over';
    say();
  }
}
