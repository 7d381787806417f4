import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import {
  callError,
  Code,
  INITIAL_CREDIT_BYTES,
  KeptBytes,
  type Body,
  type CallError,
  type Cancel,
  type Reply,
  type RequestHead,
} from '@bascule/core';
import { atEndOfTurn, type TurnJob } from '../../listener/turn.ts';
import { CallAnswer } from './answer.ts';
import type { LinkAgent } from './agent.ts';
import type { Http1ClientLimits } from './limits.ts';
import { toRawRequest } from './request-head.ts';

/** What a call needs of its link. */
export interface CallHost {
  readonly agent: LinkAgent;
  readonly authority: string;
  readonly limits: Http1ClientLimits;
  /** Why the backend could not be reached, when that is what a call died of. */
  reason(): string;
  /** The call has ended for its caller, in whatever way. */
  onEnded(call: Http1Call): void;
  /** Its request no longer takes a connection. */
  onReleased(): void;
}

/** `queued` waits for a connection's place, `open` is under way, `over` has ended for its caller. */
type State = 'queued' | 'open' | 'over';

const BEYOND_CREDIT = callError(
  Code.internal,
  'the caller wrote beyond its credit; write only what reply.grant allows',
);
const WRONG_LENGTH = callError(Code.internal, 'the request body is not as long as its content-length says');

/** One call over node:http, from the service call to its terminal event. */
export class Http1Call implements Body, TurnJob {
  readonly head: RequestHead;
  readonly #host: CallHost;
  readonly #reply: Reply;
  readonly #answer: CallAnswer;
  #state: State = 'queued';
  #upload: 'open' | 'ended' = 'open';
  #request: ClientRequest | undefined;
  /** What was written before there was a request. */
  #kept: KeptBytes | undefined;
  #creditBytes = INITIAL_CREDIT_BYTES;
  /** Bytes that the body still owes to its content-length. */
  #owedBytes: number | undefined;
  #informational = 0;

  constructor(host: CallHost, head: RequestHead, reply: Reply) {
    this.#host = host;
    this.head = head;
    this.#reply = reply;
    this.#answer = new CallAnswer(reply, head.method, host.limits, {
      isOpen: () => this.#state === 'open',
      end: (trailers) => this.#finish(() => reply.end(trailers)),
      fail: (error) => this.fail(error),
    });
  }

  /** Sends it. Only once, while it is queued. */
  start(): void {
    const { agent, authority, limits } = this.#host;
    const raw = toRawRequest(this.head, authority);
    if (typeof raw === 'string') return this.#refuse(raw);
    const { method, path } = this.head;
    let own: ClientRequest;
    try {
      own = request({
        agent,
        method,
        path,
        headers: raw.headers,
        setHost: false,
        maxHeaderSize: limits.maxHeaderBytes,
      });
    } catch (error) {
      // node:http judges names, values and the path before anything is sent.
      return this.#refuse(`the request cannot be said in HTTP/1.1: ${error instanceof Error ? error.message : ''}`);
    }
    // One more than allowed, since node:http drops what is beyond without a word.
    own.maxHeadersCount = limits.maxHeaderPairs + 1;
    this.#state = 'open';
    this.#request = own;
    this.#owedBytes = raw.contentLength;
    own.on('response', (response: IncomingMessage) => this.#answer.start(response));
    own.on('information', () => this.#onInformation());
    own.on('upgrade', (_response, socket) => {
      socket.destroy();
      this.fail(callError(Code.internal, 'the backend switched protocols, which nobody asked for'));
    });
    own.on('error', (error: NodeJS.ErrnoException) => this.#onError(error));
    own.on('close', () => this.#host.onReleased());
    this.#sendKept();
    if (this.#isOpen() && this.#upload === 'open') atEndOfTurn(this);
  }

  /** The head need not wait for a first byte: the callee may have something to say before. */
  endTurn(): void {
    if (this.#state === 'open' && this.#upload === 'open') this.#request?.flushHeaders();
  }

  write(bytes: Uint8Array): void {
    if (this.#state === 'over' || this.#upload === 'ended' || bytes.length === 0) return;
    this.#creditBytes -= bytes.length;
    if (this.#creditBytes < 0) return this.fail(BEYOND_CREDIT);
    if (this.#state === 'open') return this.#send(Buffer.from(bytes));
    this.#kept ??= new KeptBytes();
    this.#kept.append(bytes);
  }

  end(): void {
    if (this.#state === 'over' || this.#upload === 'ended') return;
    this.#upload = 'ended';
    if (this.#state === 'open') this.#sendEnd();
  }

  cancel(_reason: Cancel): void {
    // HTTP/1.1 has no other way to give a call up than to close its connection.
    this.#finish(() => undefined);
  }

  grant(bytes: number): void {
    if (this.#state !== 'over' && bytes > 0) this.#answer.grant(bytes);
  }

  /** Ends the call for its caller; its connection, if any, is closed. */
  fail(error: CallError): void {
    this.#finish(() => this.#reply.fail(error));
  }

  #finish(tell: () => void): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#kept?.clear();
    // A connection is of use again only after a whole request and a whole answer.
    if (!(this.#answer.isWhole() && this.#request?.writableFinished === true)) this.#request?.destroy();
    this.#host.onEnded(this);
    tell();
  }

  /** Not at once: a Service calls its Reply only after it has returned. */
  #refuse(message: string): void {
    this.#host.onReleased();
    setImmediate(() => this.fail(callError(Code.internal, message, 'never-sent')));
  }

  #send(bytes: Buffer): void {
    if (this.#owedBytes !== undefined) {
      // More than announced would be read as the next request on the connection.
      this.#owedBytes -= bytes.length;
      if (this.#owedBytes < 0) return this.fail(WRONG_LENGTH);
    }
    this.#request?.write(bytes, (error) => {
      if (this.#state !== 'open' || (error !== null && error !== undefined)) return;
      this.#creditBytes += bytes.length;
      this.#reply.grant(bytes.length);
    });
  }

  #sendEnd(): void {
    if (this.#owedBytes !== undefined && this.#owedBytes > 0) return this.fail(WRONG_LENGTH);
    this.#request?.end();
  }

  #sendKept(): void {
    const pieces = this.#kept?.takeAll() ?? [];
    for (const piece of pieces) if (this.#isOpen()) this.#send(Buffer.from(piece));
    if (this.#isOpen() && this.#upload === 'ended') this.#sendEnd();
  }

  #onInformation(): void {
    this.#informational += 1;
    if (this.#informational <= this.#host.limits.maxInformational) return;
    this.fail(callError(Code.resourceExhausted, 'the backend sent too many non-final responses'));
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#state === 'over') return;
    const code = error.code ?? '';
    const socket = this.#request?.socket ?? undefined;
    if (socket === undefined || !this.#host.agent.isEstablished(socket)) {
      this.fail(callError(Code.unavailable, this.#host.reason(), 'never-sent'));
    } else if (code === 'HPE_HEADER_OVERFLOW') {
      const message = 'the response fields are larger than the limit; raise maxHeaderBytes or send less';
      this.fail(callError(Code.resourceExhausted, message));
    } else if (code.startsWith('HPE_')) {
      this.fail(callError(Code.internal, `the backend sent a malformed response: ${code}`));
    } else {
      // Even on a connection that the backend closed meanwhile, the request may have come to it.
      this.fail(callError(Code.unavailable, 'the connection to the backend was lost'));
    }
  }

  /** Callers end calls inside `grant`. */
  #isOpen(): boolean {
    return this.#state === 'open';
  }
}
