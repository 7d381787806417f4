import type { DescMethod, DescService, Message } from '@bufbuild/protobuf';
import type {
  ContextValues,
  Interceptor,
  StreamRequest,
  StreamResponse,
  UnaryRequest,
  UnaryResponse,
} from '@connectrpc/connect';
import { createViewHandler } from '../lazy-view.ts';
import type { CallView } from './call-view.ts';

type AnyFn = Parameters<Interceptor>[0];
export type AnyRequest = UnaryRequest | StreamRequest;
type AnyResponse = UnaryResponse | StreamResponse;

/** What moves: one message, or an iterable of them. */
interface Content {
  readonly stream: boolean;
  readonly message: unknown;
}

class RequestTarget {
  readonly #call: CallView;
  readonly #content: Content;

  constructor(call: CallView, content: Content) {
    this.#call = call;
    this.#content = content;
  }

  get stream(): boolean {
    return this.#content.stream;
  }
  get message(): unknown {
    return this.#content.message;
  }
  get method(): DescMethod {
    return this.#call.method.desc;
  }
  get requestMethod(): string {
    return this.#call.received.method;
  }
  get url(): string {
    return this.#call.url;
  }
  get signal(): AbortSignal {
    return this.#call.signal;
  }
  get header(): Headers {
    return this.#call.requestHeader;
  }
  get service(): DescService {
    return this.#call.method.desc.parent;
  }
  get contextValues(): ContextValues {
    return this.#call.values;
  }
}

class ResponseTarget {
  readonly #call: CallView;
  readonly #content: Content;

  constructor(call: CallView, content: Content) {
    this.#call = call;
    this.#content = content;
  }

  get message(): unknown {
    return this.#content.message;
  }
  get stream(): boolean {
    return this.#content.stream;
  }
  get method(): DescMethod {
    return this.#call.method.desc;
  }
  get service(): DescService {
    return this.#call.method.desc.parent;
  }
  get header(): Headers {
    return this.#call.responseHeader;
  }
  get trailer(): Headers {
    return this.#call.responseTrailer;
  }
}

const REQUEST = createViewHandler<RequestTarget>([
  'stream',
  'message',
  'method',
  'requestMethod',
  'url',
  'signal',
  'header',
  'service',
  'contextValues',
]);
const RESPONSE = createViewHandler<ResponseTarget>(['message', 'stream', 'method', 'service', 'header', 'trailer']);

/**
 * Runs a handler inside the interceptors of its method. `invoke` gets what the innermost of them handed on, and gives a
 * message or an iterable of them; so does this.
 */
export async function intercept(
  call: CallView,
  content: Content,
  invoke: (request: AnyRequest) => unknown,
): Promise<AnswerContent> {
  const innermost = async (request: AnyRequest): Promise<AnyResponse> => {
    const answer: Content = { stream: content.stream, message: await invoke(request) };
    return new Proxy(new ResponseTarget(call, answer), RESPONSE) as unknown as AnyResponse;
  };
  const outermost = call.method.interceptors.reduceRight<AnyFn>((next, interceptor) => interceptor(next), innermost);
  const request = new Proxy(new RequestTarget(call, content), REQUEST) as unknown as AnyRequest;
  const response = await outermost(request);
  adopt(response.header, call.responseHeader);
  return { message: response.message, trailer: () => adopt(response.trailer, call.responseTrailer) };
}

/** What the outermost interceptor gave. */
interface AnswerContent {
  readonly message: Message | AsyncIterable<Message>;
  /** Takes over its trailers: of a stream, once the stream has ended. */
  trailer(): void;
}

/** An interceptor may have answered with Headers of its own. */
function adopt(from: Headers, to: Headers): void {
  if (from === to) return;
  for (const name of Array.from(to.keys())) to.delete(name);
  from.forEach((value, name) => to.set(name, value));
}
