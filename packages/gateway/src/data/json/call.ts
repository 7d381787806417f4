import {
  getField,
  holdWork,
  NO_FIELDS,
  releaseWork,
  type Body,
  type CallError,
  type Cancel,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
} from '@bascule/core';
import type { Converter } from './converter.ts';
import { encodingOf, toJsonHead, toProtoHead } from './heads.ts';
import { MessagePipe } from './pipe.ts';

/** How the messages of a method are converted. */
export interface CallConverters {
  readonly request: Converter;
  readonly response: Converter;
  /** The caller sends any number of messages: the callee must hear of the call before the first of them. */
  readonly requestStreams: boolean;
  /** Largest message in either direction. Bytes. */
  readonly maxMessageBytes: number;
}

/**
 * Makes a callee that takes protobuf one that takes JSON. A call with one request message reaches it only once that is
 * read: what cannot be read would else cost it a stream opened and reset, and many of these its connection.
 */
export function createTranscoder(next: Service, converters: CallConverters): Service {
  return (head, reply) => {
    const response = new ResponsePipe(reply, head, converters);
    const request = new RequestPipe(next, response, converters);
    if (converters.requestStreams) request.start();
    return request;
  };
}

/** The answer, on its way to JSON. */
class ResponsePipe extends MessagePipe implements Reply {
  /** Set by the request; undefined while the callee knows of no call. */
  inner: Body | undefined;
  request: RequestPipe | undefined;
  readonly outer: Reply;
  readonly callHead: RequestHead;
  private outcome: { readonly trailers: Fields } | { readonly error: CallError } = { trailers: NO_FIELDS };

  constructor(outer: Reply, head: RequestHead, { response, maxMessageBytes }: CallConverters) {
    super('response', response, maxMessageBytes);
    this.outer = outer;
    this.callHead = head;
  }

  head(head: ResponseHead): void {
    if (!this.isOpen()) return;
    this.encoding = encodingOf(head.fields);
    this.outer.head(toJsonHead(head));
  }

  write(bytes: Uint8Array): void {
    this.take(bytes);
  }

  end(trailers: Fields): void {
    this.finishWith({ trailers });
  }

  fail(error: CallError): void {
    this.finishWith({ error });
  }

  /** Room for the request, from the callee. */
  grant(bytes: number): void {
    if (this.isOpen()) this.request?.grantRequest(bytes);
  }

  /** Whether the callee may still answer. */
  isTalking(): boolean {
    return this.isOpen();
  }

  /** Room for the response, from the caller. */
  grantReply(bytes: number): void {
    this.room(bytes);
  }

  /** The call ends with a failure of ours. */
  abort(error: CallError): void {
    const { inner } = this;
    const calleeEnded = !this.isOpen();
    this.request?.stop();
    this.stop();
    if (!calleeEnded) inner?.cancel('protocol-error');
    this.outer.fail(error);
  }

  stop(): void {
    if (this.close()) holdWork(this.callHead.call);
  }

  protected deliver(bytes: Uint8Array): void {
    this.outer.write(bytes);
  }

  protected deliverEnd(): void {
    if ('error' in this.outcome) this.outer.fail(this.outcome.error);
    else this.outer.end(this.outcome.trailers);
  }

  protected giveRoom(bytes: number): void {
    this.inner?.grant(bytes);
  }

  protected refuse(error: CallError): void {
    this.abort(error);
  }

  /** A failure says by itself why there is no more. */
  protected mayEndCut(): boolean {
    return 'error' in this.outcome || getField(this.outcome.trailers, 'grpc-status') !== '0';
  }

  protected override abandoned(): void {
    releaseWork(this.callHead.call);
  }

  /** The callee has ended; what it sent before may still be on its way. */
  private finishWith(outcome: ResponsePipe['outcome']): void {
    if (!this.isOpen()) return;
    this.outcome = outcome;
    this.request?.stop();
    this.takeEnd();
  }
}

/** The request, on its way to protobuf. */
class RequestPipe extends MessagePipe implements Body {
  private readonly next: Service;
  private readonly response: ResponsePipe;

  constructor(next: Service, response: ResponsePipe, { request, maxMessageBytes }: CallConverters) {
    super('request', request, maxMessageBytes);
    this.next = next;
    this.response = response;
    this.encoding = encodingOf(response.callHead.fields);
    response.request = this;
  }

  /** The callee's side of the call; begins it at the first time. */
  start(): Body {
    const { response } = this;
    return (response.inner ??= this.next(toProtoHead(response.callHead), response));
  }

  write(bytes: Uint8Array): void {
    this.take(bytes);
  }

  end(): void {
    this.takeEnd();
  }

  cancel(reason: Cancel): void {
    const { inner } = this.response;
    const tellCallee = this.response.isTalking();
    this.stop();
    this.response.stop();
    if (tellCallee) inner?.cancel(reason);
  }

  grant(bytes: number): void {
    this.response.grantReply(bytes);
  }

  /** Room for the request, from the callee. */
  grantRequest(bytes: number): void {
    this.room(bytes);
  }

  stop(): void {
    if (this.close()) holdWork(this.response.callHead.call);
  }

  protected deliver(bytes: Uint8Array): void {
    this.start().write(bytes);
  }

  protected deliverEnd(): void {
    this.start().end();
  }

  protected giveRoom(bytes: number): void {
    this.response.outer.grant(bytes);
  }

  protected refuse(error: CallError): void {
    this.response.abort(error);
  }

  /** The callee would act on what the caller did not finish saying. */
  protected mayEndCut(): boolean {
    return false;
  }

  protected override abandoned(): void {
    releaseWork(this.response.callHead.call);
  }
}
