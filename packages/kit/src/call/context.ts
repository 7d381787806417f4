import type { DescMethod, DescService } from '@bufbuild/protobuf';
import type { ContextValues, HandlerContext, StreamRequest, UnaryRequest } from '@connectrpc/connect';
import { createViewHandler } from '../lazy-view.ts';
import type { CallView } from './call-view.ts';

/** What interceptors may have changed on the way to the handler. */
export type SeenRequest = Pick<UnaryRequest | StreamRequest, 'service' | 'header' | 'signal' | 'contextValues'>;

class ContextTarget implements HandlerContext {
  readonly #call: CallView;
  readonly #request: SeenRequest | undefined;

  constructor(call: CallView, request: SeenRequest | undefined) {
    this.#call = call;
    this.#request = request;
  }

  get method(): DescMethod {
    return this.#call.method.desc;
  }
  get service(): DescService {
    return this.#request === undefined ? this.#call.method.desc.parent : this.#request.service;
  }
  get signal(): AbortSignal {
    return this.#request === undefined ? this.#call.signal : this.#request.signal;
  }
  get timeoutMs(): () => number | undefined {
    const call = this.#call;
    return () => call.timeoutMs();
  }
  get requestMethod(): string {
    return this.#call.received.method;
  }
  get requestHeader(): Headers {
    return this.#request === undefined ? this.#call.requestHeader : this.#request.header;
  }
  get responseHeader(): Headers {
    return this.#call.responseHeader;
  }
  get responseTrailer(): Headers {
    return this.#call.responseTrailer;
  }
  get protocolName(): string {
    return this.#call.protocolName;
  }
  get values(): ContextValues {
    return this.#request === undefined ? this.#call.values : this.#request.contextValues;
  }
  get url(): string {
    return this.#call.url;
  }
}

const VIEW = createViewHandler<ContextTarget>([
  'service',
  'method',
  'requestMethod',
  'protocolName',
  'timeoutMs',
  'signal',
  'requestHeader',
  'responseHeader',
  'responseTrailer',
  'values',
  'url',
]);

/** The context of a handler. `request` is what the innermost interceptor handed on. */
export function createContext(call: CallView, request?: SeenRequest): HandlerContext {
  return new Proxy(new ContextTarget(call, request), VIEW);
}
