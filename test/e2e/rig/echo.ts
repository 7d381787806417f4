import { serve, type Server, type ServeOptions } from '@bascule/server';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { EchoService } from './echo-schema.ts';
import { pause } from './eventually.ts';

/** What handlers saw. */
export interface EchoProbe {
  /** Headers of each call in order. */
  readonly headers: Headers[];
  /** Time that the handler had left, by call. */
  readonly timeouts: (number | undefined)[];
  /** Names of the calls whose signal was aborted while they ran. */
  readonly aborted: string[];
  /** Bytes that the flood has given away. */
  flooded: number;
}

export const FLOOD_MESSAGE_BYTES = 65_536;

/** An in-process backend of EchoService over real sockets. */
export interface Echo extends AsyncDisposable {
  readonly probe: EchoProbe;
  readonly server: Server;
}

/** Starts one; `registry` makes it known to a gateway. */
export async function startEcho(options: Partial<ServeOptions>): Promise<Echo> {
  const probe = createProbe();
  const server = await serve({
    routes: (router) => createEchoRoutes(router, probe),
    propagationMs: 50,
    drainTimeoutMs: 2000,
    maxMessageBytes: 16 * 1024 * 1024,
    ...options,
  });
  await server.registered;
  return { probe, server, [Symbol.asyncDispose]: () => server.close() };
}

export function createProbe(): EchoProbe {
  return { headers: [], timeouts: [], aborted: [], flooded: 0 };
}

/** The handlers alone, for other servers. */
export function createEchoRoutes(router: ConnectRouter, probe: EchoProbe): void {
  router.service(EchoService, {
    async say({ value }, context) {
      note(probe, context);
      if (value === 'fail') throw createFailure();
      if (value === 'hang') await untilAborted('say', context, probe);
      return { value };
    },
    blob: ({ value }) => ({ value }),
    async *count({ value }, context) {
      note(probe, context);
      const last = value < 0 ? Infinity : value;
      for (let i = 1; i <= last; i++) {
        yield { value: String(i) };
        if (last === Infinity) await pauseOrAbort('count', context, probe);
      }
      if (value === 3) throw createFailure();
    },
    async join(requests, context) {
      note(probe, context);
      const words: string[] = [];
      for await (const { value } of requests) words.push(value);
      return { value: words.join(' ') };
    },
    async *chat(requests, context) {
      note(probe, context);
      for await (const { value } of requests) yield { value: `re: ${value}` };
    },
    async *flood({ value }) {
      const bytes = new Uint8Array(FLOOD_MESSAGE_BYTES).fill(7);
      for (let i = 0; i < value; i++) {
        probe.flooded += bytes.length;
        yield { value: bytes };
      }
    },
  });
}

/** A failure with all that a failure can carry. */
function createFailure(): ConnectError {
  const detail = { desc: StringValueSchema, value: { value: 'why: größer' } };
  const metadata = new Headers({ 'x-trailer': 'afterwards' });
  return new ConnectError('nothing like 100 % größer', Code.NotFound, metadata, [detail]);
}

/** Sends what came as x-* back, as header and as trailer. */
function note(probe: EchoProbe, context: HandlerContext): void {
  probe.headers.push(context.requestHeader);
  probe.timeouts.push(context.timeoutMs());
  for (const [name, value] of context.requestHeader) {
    if (!name.startsWith('x-echo')) continue;
    context.responseHeader.set(name, value);
    context.responseTrailer.set(name.replace('x-echo', 'x-after'), value);
  }
}

async function untilAborted(name: string, { signal }: HandlerContext, probe: EchoProbe): Promise<never> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  probe.aborted.push(name);
  throw ConnectError.from(signal.reason);
}

async function pauseOrAbort(name: string, { signal }: HandlerContext, probe: EchoProbe): Promise<void> {
  await pause(5);
  if (!signal.aborted) return;
  probe.aborted.push(name);
  throw ConnectError.from(signal.reason);
}
