import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { TestService } from './schema.ts';

/** What handlers saw. */
export interface Probe {
  /** Calls begun. */
  calls: number;
  /** Requests read of client streams and bidi streams. */
  read: number;
  /** HTTP methods of `say`. */
  readonly methods: string[];
  readonly headers: Headers[];
  /** Settles when a call is aborted. */
  aborted: PromiseWithResolvers<unknown>;
}

export function createProbe(): Probe {
  return { calls: 0, read: 0, methods: [], headers: [], aborted: Promise.withResolvers<unknown>() };
}

export function createRoutes(probe: Probe): (router: ConnectRouter) => void {
  const begin = (context: HandlerContext): void => {
    probe.calls++;
    probe.methods.push(context.requestMethod);
    probe.headers.push(context.requestHeader);
    context.signal.addEventListener('abort', () => probe.aborted.resolve(context.signal.reason));
    for (const name of ['x-sent', 'x-sent-bin']) {
      const value = context.requestHeader.get(name);
      if (value !== null) context.responseHeader.set(name.replace('sent', 'seen'), value);
    }
    context.responseTrailer.append('x-rest', 'a');
    context.responseTrailer.append('x-rest', 'b');
    context.responseTrailer.set('x-rest-bin', 'AAH_'.replace('_', '/'));
  };
  return (router) => {
    router.service(TestService, {
      async say({ value }, context) {
        begin(context);
        if (value === 'fail') throw createFailure();
        if (value === 'fail plainly') throw new ConnectError('', Code.ResourceExhausted);
        if (value === 'hang') await ended(context);
        return { value };
      },
      blob({ value }, context) {
        begin(context);
        return { value };
      },
      async *count({ value }, context) {
        begin(context);
        for (let n = 1; n <= Math.abs(value); n++) {
          if (n === 13) throw createFailure();
          yield { value: String(n) };
        }
        if (value < 0) await ended(context);
      },
      async join(requests, context) {
        begin(context);
        const words: string[] = [];
        for await (const { value } of requests) {
          probe.read++;
          if (value === 'enough') return { value: words.join(' ') };
          if (value === 'fail') throw createFailure();
          words.push(value);
        }
        return { value: words.join(' ') };
      },
      async *chat(requests, context) {
        begin(context);
        for await (const { value } of requests) {
          probe.read++;
          if (value === 'wait') await ended(context);
          yield { value };
        }
      },
    });
  };
}

function createFailure(): ConnectError {
  const details = [{ desc: StringValueSchema, value: { value: 'a detail' } }];
  return new ConnectError('no grüße % left', Code.FailedPrecondition, { 'x-why': 'because' }, details);
}

function ended(context: HandlerContext): Promise<never> {
  return new Promise((_, reject) => {
    context.signal.addEventListener('abort', () => reject(context.signal.reason));
  });
}
