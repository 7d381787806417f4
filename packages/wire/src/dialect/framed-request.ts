import { callError, type Body, type CallError, type Cancel, type Code } from '@bascule/core';
import { requestFault } from './faults.ts';
import { FrameScanner } from './frame-scanner.ts';
import type { FramedResponse } from './framed-response.ts';

/** What a caller is told that ends in the middle of a message. */
const TRUNCATED = 'the request ended in the middle of a message';

export interface FramedRequestOptions {
  readonly response: FramedResponse;
  readonly maxMessageBytes: number;
  /** Whether the caller declared an encoding. */
  readonly compressible: boolean;
  /** What a cut-off message is in the dialect. */
  readonly truncatedCode: Code;
}

/** The request of a dialect whose messages are those of the inner one: bytes pass, their boundaries are watched. */
export class FramedRequest implements Body {
  protected readonly response: FramedResponse;
  private readonly inner: Body;
  private readonly scanner: FrameScanner;
  private readonly maxMessageBytes: number;
  private readonly truncatedCode: Code;

  constructor(inner: Body, options: FramedRequestOptions) {
    this.inner = inner;
    this.response = options.response;
    this.maxMessageBytes = options.maxMessageBytes;
    this.truncatedCode = options.truncatedCode;
    this.scanner = new FrameScanner(options.maxMessageBytes, options.compressible);
  }

  write(bytes: Uint8Array): void {
    if (!this.response.isOpen()) return;
    const fault = this.scanner.scan(bytes);
    if (fault === undefined) this.inner.write(bytes);
    else this.refuse(requestFault(fault, this.maxMessageBytes));
  }

  end(): void {
    if (!this.response.isOpen()) return;
    // Never handed on as a whole request: the callee would act on what the caller did not finish saying.
    if (this.scanner.isAtBoundary()) this.inner.end();
    else this.refuse(callError(this.truncatedCode, TRUNCATED));
  }

  cancel(reason: Cancel): void {
    this.response.cancel(reason);
  }

  grant(bytes: number): void {
    this.response.grantReply(bytes);
  }

  protected refuse(error: CallError): void {
    this.response.refuse(error);
  }
}
