import { callError, Code, KeptBytes, NO_FIELDS, type Body, type CallError, type Cancel } from '@bascule/core';
import { CreditGate } from '../credit-gate.ts';
import { requestFault } from '../faults.ts';
import { encodePrefix, FLAG_COMPRESSED, PREFIX_BYTES } from '../frame-scanner.ts';
import type { RoomTaker, UnaryResponse } from './unary-response.ts';

export interface UnaryRequestOptions {
  readonly response: UnaryResponse;
  /** Whether the caller declared an encoding. */
  readonly compressed: boolean;
}

/** What the requests of unary calls share. */
abstract class UnaryRequest implements Body, RoomTaker {
  protected readonly response: UnaryResponse;
  protected readonly gate: CreditGate;
  private readonly compressed: boolean;

  constructor(inner: Body, { response, compressed }: UnaryRequestOptions) {
    this.response = response;
    this.compressed = compressed;
    this.gate = new CreditGate(inner);
  }

  abstract write(bytes: Uint8Array): void;
  abstract end(): void;
  abstract room(bytes: number): void;

  cancel(reason: Cancel): void {
    this.gate.close();
    this.response.cancel(reason);
  }

  grant(bytes: number): void {
    this.response.grantReply(bytes);
  }

  protected refuse(error: CallError): void {
    this.gate.close();
    this.response.refuse(error);
  }

  /** An empty message is never marked: there is nothing to decompress. */
  protected writePrefix(length: number): void {
    this.gate.write(encodePrefix(this.compressed && length > 0 ? FLAG_COMPRESSED : 0, length), true);
  }
}

/** A POST whose length is known: its bytes pass as they come. */
export class PassedRequest extends UnaryRequest {
  private readonly length: number;
  private received = 0;
  /** The prefix takes credit that the caller does not know of: so much less is granted. */
  private debt = PREFIX_BYTES;

  constructor(inner: Body, length: number, options: UnaryRequestOptions) {
    super(inner, options);
    this.length = length;
  }

  write(bytes: Uint8Array): void {
    if (!this.response.isOpen() || bytes.length === 0) return;
    if (this.received === 0) this.writePrefix(this.length);
    this.received += bytes.length;
    if (this.received > this.length) {
      this.refuse(callError(Code.invalidArgument, `the request body is longer than its content-length ${this.length}`));
      return;
    }
    this.gate.write(bytes);
  }

  end(): void {
    if (!this.response.isOpen()) return;
    if (this.received < this.length) {
      this.refuse(
        callError(Code.invalidArgument, `the request body is shorter than its content-length ${this.length}`),
      );
      return;
    }
    if (this.length === 0) this.writePrefix(0);
    this.gate.end(NO_FIELDS);
  }

  room(bytes: number): void {
    const paid = Math.min(this.debt, bytes);
    this.debt -= paid;
    this.gate.grant(bytes);
    if (bytes > paid) this.response.grantRequest(bytes - paid);
  }
}

/** A POST whose length is not known: kept until it ends, since the prefix says the length. */
export class KeptRequest extends UnaryRequest {
  private readonly maxMessageBytes: number;
  private readonly kept = new KeptBytes();

  constructor(inner: Body, maxMessageBytes: number, options: UnaryRequestOptions) {
    super(inner, options);
    this.maxMessageBytes = maxMessageBytes;
  }

  write(bytes: Uint8Array): void {
    if (!this.response.isOpen() || bytes.length === 0) return;
    if (this.kept.size + bytes.length > this.maxMessageBytes) {
      this.kept.clear();
      this.refuse(requestFault('too-large', this.maxMessageBytes));
      return;
    }
    this.kept.append(bytes);
    this.response.grantRequest(bytes.length);
  }

  end(): void {
    if (!this.response.isOpen()) return;
    this.writePrefix(this.kept.size);
    for (const piece of this.kept.takeAll()) this.gate.write(piece, true);
    this.gate.end(NO_FIELDS);
  }

  override cancel(reason: Cancel): void {
    this.kept.clear();
    super.cancel(reason);
  }

  room(bytes: number): void {
    this.gate.grant(bytes);
  }
}

/** A GET: its message stood in the query. */
export class QueryRequest extends UnaryRequest {
  private readonly message: Uint8Array;

  constructor(inner: Body, message: Uint8Array, options: UnaryRequestOptions) {
    super(inner, options);
    this.message = message;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > 0)
      this.refuse(callError(Code.invalidArgument, 'a GET takes its message from the query, not from a body'));
  }

  /** Not earlier: the callee may answer inside `write`, which a caller that has no Body yet cannot take. */
  end(): void {
    if (!this.response.isOpen()) return;
    this.writePrefix(this.message.length);
    this.gate.write(this.message, true);
    this.gate.end(NO_FIELDS);
  }

  room(bytes: number): void {
    this.gate.grant(bytes);
  }
}
