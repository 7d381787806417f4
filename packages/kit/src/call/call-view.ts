import type { RequestHead } from '@bascule/core';
import type { ContextValues } from '@connectrpc/connect';
import { requestHeadersOf, urlOf } from '../headers.ts';
import { protocolOf, type KitParts, type Method, type ProtocolName } from '../method.ts';
import { createResponseHeader, createResponseTrailer } from './response-fields.ts';

/** What handlers and interceptors may look at of a call. Each is made when it is first looked at. */
export abstract class CallView {
  readonly method: Method;
  readonly head: RequestHead;
  /** Monotonic milliseconds of the kit's clock. */
  abstract readonly deadlineMs: number | undefined;

  protected readonly parts: KitParts;
  /** Undefined as long as nobody has looked: then there is nothing to send. */
  protected responseHeaders: Headers | undefined = undefined;
  protected responseTrailers: Headers | undefined = undefined;
  protected abortController: AbortController | undefined = undefined;
  private requestHeaders: Headers | undefined = undefined;
  private contextValues: ContextValues | undefined = undefined;

  constructor(method: Method, parts: KitParts, head: RequestHead) {
    this.method = method;
    this.parts = parts;
    this.head = head;
  }

  protected abstract readonly codecName: 'proto' | 'json';
  protected abstract readonly responseEncoding: string | undefined;
  /** Why a call is over; undefined while it is not. */
  protected abstract overReason(): { readonly reason: unknown } | undefined;

  /** The request as it came in, before any translation. */
  get received(): RequestHead {
    return this.head.call.received ?? this.head;
  }

  get protocolName(): ProtocolName {
    return protocolOf(this.head.call);
  }

  get url(): string {
    return urlOf(this.received);
  }

  get requestHeader(): Headers {
    return (this.requestHeaders ??= requestHeadersOf(this.received));
  }

  get responseHeader(): Headers {
    return (this.responseHeaders ??= createResponseHeader(this.protocolName, {
      codec: this.codecName,
      isUnary: this.method.spec.kind === 'unary',
      encoding: this.responseEncoding,
    }));
  }

  get responseTrailer(): Headers {
    return (this.responseTrailers ??= createResponseTrailer(this.protocolName));
  }

  get values(): ContextValues {
    return (this.contextValues ??= this.parts.contextValues(this.received));
  }

  get signal(): AbortSignal {
    this.abortController ??= this.createAbortController();
    return this.abortController.signal;
  }

  /** Milliseconds left until the deadline; negative once it is over. */
  timeoutMs(): number | undefined {
    return this.deadlineMs === undefined ? undefined : Math.ceil(this.deadlineMs - this.parts.clock.nowMs());
  }

  /** The shutdown signal has been aborted. */
  handleEvent(): void {
    this.abortController?.abort(this.method.shutdownSignal?.reason);
  }

  /** Ends what the signal was made of. */
  protected abortSignal(reason: unknown): void {
    if (this.abortController === undefined) return;
    this.method.shutdownSignal?.removeEventListener('abort', this);
    this.abortController.abort(reason);
  }

  private createAbortController(): AbortController {
    const controller = new AbortController();
    const { shutdownSignal } = this.method;
    const over = this.overReason();
    if (over !== undefined) controller.abort(over.reason);
    else if (shutdownSignal?.aborted === true) controller.abort(shutdownSignal.reason);
    else shutdownSignal?.addEventListener('abort', this);
    return controller;
  }
}
