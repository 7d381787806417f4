import {
  Code,
  ConnectError,
  createContextKey,
  createContextValues,
  type ConnectRouter,
  type ContextValues,
  type HandlerContext,
  type Interceptor,
} from '@connectrpc/connect';
import { create } from '@bufbuild/protobuf';
import { KindsService, NoteSchema, type Note } from './kinds.ts';

/** What handlers and interceptors saw of one call, in order. Plain data, so that two servers can be compared. */
export type Seen = Record<string, unknown>[];

const GREETING = createContextKey('nobody', { description: 'who calls' });

/** Context values as a server makes them for each call. */
export function createValues(): ContextValues {
  return createContextValues().set(GREETING, 'the server');
}

/** Route functions that write down whatever they can see, and do what the text of the first message says. */
export function createSeenRoutes(seen: Seen) {
  const note = (what: string, facts: Record<string, unknown>): void => void seen.push({ what, ...facts });

  async function act(text: string, context: HandlerContext): Promise<Partial<Note>> {
    switch (text) {
      case 'fields':
        context.responseHeader.set('x-head', 'one');
        context.responseHeader.append('x-head', 'two');
        context.responseHeader.set('x-head-bin', 'AAEC');
        context.responseTrailer.set('x-tail', 'last');
        context.responseTrailer.append('x-tail', 'very last');
        context.responseTrailer.set('x-tail-bin', '/w');
        break;
      case 'connect error': {
        context.responseHeader.set('x-head', 'before');
        context.responseTrailer.set('x-tail', 'before');
        const detail = create(NoteSchema, { text: 'détail' }) as never;
        const metadata = { 'x-why': 'late', 'x-why-bin': 'AAEC' };
        throw new ConnectError('no: 100 % "ünlikely"', Code.FailedPrecondition, metadata, [
          { desc: NoteSchema, value: detail },
        ]);
      }
      case 'plain error':
        throw new Error('a secret');
      case 'thrown text':
        // eslint-disable-next-line no-throw-literal -- what a careless handler does
        throw 'a secret';
      case 'own code':
        throw new ConnectError('', Code.Aborted);
      case 'wait':
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
        throw context.signal.reason;
      case 'bad output':
        return { count: 'not a number' as unknown as number };
      default:
    }
    return { text: `re: ${text}`, count: 7, blob: Uint8Array.of(1, 2, 3) };
  }

  async function* stream(text: string, context: HandlerContext): AsyncGenerator<Partial<Note>> {
    try {
      if (text === 'nothing') return;
      if (text !== 'late error') yield await act(text, context);
      for (let count = 0; count < 3; count++) yield { text, count };
      if (text === 'late error') throw new ConnectError('late', Code.OutOfRange, { 'x-why': 'late' });
      if (text === 'endless') for (;;) yield { text: 'x'.repeat(1_000) };
    } finally {
      note('handler left', {});
    }
  }

  async function readAll(messages: AsyncIterable<Note>): Promise<string[]> {
    const texts: string[] = [];
    try {
      for await (const message of messages) {
        texts.push(`${message.text} ${message.blob.constructor.name}`);
        if (message.text === 'stop reading') break;
      }
    } catch (error) {
      note('reading broke', { error: errorFacts(error) });
      throw error;
    }
    return texts;
  }

  const implementation = {
    async unary(request: Note, context: HandlerContext) {
      look(seen, context, request);
      return act(request.text, context);
    },
    get(request: Note, context: HandlerContext) {
      look(seen, context, request);
      return act(request.text, context);
    },
    async *server(request: Note, context: HandlerContext) {
      look(seen, context, request);
      yield* stream(request.text, context);
    },
    async client(requests: AsyncIterable<Note>, context: HandlerContext) {
      look(seen, context, undefined);
      const texts = await readAll(requests);
      note('read', { texts });
      return act(texts[0]?.split(' Uint8Array')[0] ?? 'none', context);
    },
    async *bidi(requests: AsyncIterable<Note>, context: HandlerContext) {
      look(seen, context, undefined);
      try {
        for await (const { text } of requests) {
          yield await act(text, context);
          if (text === 'stop reading') break;
        }
      } finally {
        note('handler left', {});
      }
    },
  };
  return (router: ConnectRouter): void => void router.service(KindsService, implementation as object);
}

/** An interceptor that writes down what passes, and changes something on each way. */
export function createSeeingInterceptor(seen: Seen): Interceptor {
  return (next) => async (request) => {
    seen.push({
      what: 'interceptor before',
      stream: request.stream,
      keys: Object.keys(request).toSorted(),
      method: request.method.name,
      service: request.service.typeName,
      requestMethod: request.requestMethod,
      url: withoutPort(request.url),
      header: [...request.header],
      values: request.contextValues.get(GREETING),
      message: request.stream ? 'a stream' : (request.message as unknown as Note).text,
      aborted: request.signal.aborted,
    });
    request.contextValues.set(GREETING, 'the interceptor');
    request.header.set('x-from-interceptor', 'yes');
    try {
      // A copy, as interceptors make it who change something.
      const response = await next({ ...request });
      seen.push({
        what: 'interceptor after',
        stream: response.stream,
        keys: Object.keys(response).toSorted(),
        method: response.method.name,
        header: [...response.header],
        trailer: [...response.trailer],
        message: response.stream ? 'a stream' : { ...(response.message as unknown as Note) },
      });
      response.header.set('x-intercepted', 'head');
      response.trailer.set('x-intercepted', 'tail');
      return response;
    } catch (error) {
      seen.push({ what: 'interceptor caught', error: errorFacts(error) });
      throw error;
    }
  };
}

function look(seen: Seen, context: HandlerContext, request: Note | undefined): void {
  const { signal } = context;
  const facts: Record<string, unknown> = {
    what: 'handler',
    keys: Object.keys(context).toSorted(),
    copied: Object.keys({ ...context }).length === Object.keys(context).length,
    service: context.service.typeName,
    method: context.method.name,
    requestMethod: context.requestMethod,
    protocolName: context.protocolName,
    url: withoutPort(context.url),
    requestHeader: [...context.requestHeader],
    responseHeader: [...context.responseHeader],
    responseTrailer: [...context.responseTrailer],
    hasTimeout: context.timeoutMs() !== undefined,
    values: context.values.get(GREETING),
    aborted: signal.aborted,
    message: request && { ...request, blob: request.blob.constructor.name },
  };
  seen.push(facts);
  signal.addEventListener('abort', () => seen.push({ what: 'signal', reason: errorFacts(signal.reason) }));
}

/** What can be said of an error without its stack. */
export function errorFacts(error: unknown): unknown {
  if (error instanceof ConnectError) {
    return {
      name: error.name,
      code: Code[error.code],
      message: error.rawMessage,
      metadata: [...error.metadata].filter(([name]) => name.startsWith('x-')),
      details: error.findDetails(NoteSchema).map((detail) => detail.text),
    };
  }
  return error instanceof Error ? { name: error.name, message: error.message } : error;
}

function withoutPort(url: string): string {
  return url.replace(/:\d+\//, ':PORT/');
}
