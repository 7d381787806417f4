import type { IncomingMessage } from 'node:http';
import {
  callError,
  Code,
  INITIAL_CREDIT_BYTES,
  type CallError,
  type Fields,
  type Reply,
  type ResponseHead,
} from '@bascule/core';
import type { Http1ClientLimits } from './limits.ts';
import { isEndedByClose, toFields, toHeadFields } from './response-head.ts';

/** The call that an answer belongs to. */
interface AnswerOwner {
  isOpen(): boolean;
  end(trailers: Fields): void;
  fail(error: CallError): void;
}

const CUT = callError(Code.unavailable, 'the connection to the backend was lost in the middle of its answer');
const ENDLESS = callError(
  Code.internal,
  'the backend does not say how long its answer is, so that a cut one looks whole; send content-length or chunks',
);
const TOO_MANY_FIELDS = callError(
  Code.resourceExhausted,
  'the response has more fields than the limit; raise maxHeaderPairs or send less',
);

/** The answer of one call, brought to its caller within its credit. */
export class CallAnswer {
  readonly #reply: Reply;
  readonly #method: string;
  readonly #limits: Http1ClientLimits;
  readonly #owner: AnswerOwner;
  #response: IncomingMessage | undefined;
  #creditBytes = INITIAL_CREDIT_BYTES;
  /** What has been read beyond credit; no more is read while there is any. */
  #held: Buffer | undefined;
  /** True while the caller is being called: it may grant from inside. */
  #busy = false;

  constructor(reply: Reply, method: string, limits: Http1ClientLimits, owner: AnswerOwner) {
    this.#reply = reply;
    this.#method = method;
    this.#limits = limits;
    this.#owner = owner;
  }

  /** Whether the last byte has come. */
  isWhole(): boolean {
    return this.#response?.complete === true && this.#held === undefined;
  }

  start(response: IncomingMessage): void {
    if (!this.#owner.isOpen()) return void response.destroy();
    this.#response = response;
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 999) {
      return this.#owner.fail(callError(Code.internal, `the backend sent a malformed response: status ${status}`));
    }
    if (response.rawHeaders.length > this.#limits.maxHeaderPairs * 2) return this.#owner.fail(TOO_MANY_FIELDS);
    const head: ResponseHead = { status, fields: toHeadFields(response.rawHeaders) };
    response.on('data', (bytes: Buffer) => this.#onData(bytes));
    response.on('end', () => this.#onEnd(response));
    response.on('error', () => this.#owner.fail(CUT));
    this.#reply.head(head);
  }

  grant(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#held === undefined || this.#busy) return;
    this.#pump();
    if (this.#held === undefined && this.#owner.isOpen()) this.#response?.resume();
  }

  #onData(bytes: Buffer): void {
    if (!this.#owner.isOpen()) return;
    this.#held = bytes;
    this.#pump();
    if (this.#held !== undefined) this.#response?.pause();
  }

  #pump(): void {
    this.#busy = true;
    while (this.#held !== undefined && this.#creditBytes > 0 && this.#owner.isOpen()) {
      const bytes: Buffer = this.#held;
      const fits = Math.min(this.#creditBytes, bytes.length);
      this.#held = fits < bytes.length ? bytes.subarray(fits) : undefined;
      this.#creditBytes -= fits;
      this.#reply.write(fits < bytes.length ? bytes.subarray(0, fits) : bytes);
    }
    this.#busy = false;
  }

  #onEnd(response: IncomingMessage): void {
    if (!this.#owner.isOpen()) return;
    if (!response.complete) return this.#owner.fail(CUT);
    if (isEndedByClose(response, this.#method)) return this.#owner.fail(ENDLESS);
    if (response.rawTrailers.length > this.#limits.maxHeaderPairs * 2) return this.#owner.fail(TOO_MANY_FIELDS);
    this.#owner.end(toFields(response.rawTrailers));
  }
}
