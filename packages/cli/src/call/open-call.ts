import { createNodeTransport, type NodeTransport } from '@bascule/client';
import type { Interceptor } from '@connectrpc/connect';
import { openOperator, type CliContext, type GlobalOptions } from '../context.ts';
import { findApi } from './api.ts';
import { splitDocuments } from './documents.ts';
import { findMethod, parseMethodName } from './method.ts';
import type { RunOptions } from './run.ts';

/** Options of every command that makes a call. */
export interface CallOptions extends GlobalOptions {
  readonly header?: readonly (readonly [string, string])[];
  readonly api?: string;
  readonly timeout?: number;
}

/** A call that can be made. */
export interface OpenCall {
  readonly baseUrl: string;
  /** To be closed: an open connection would keep the process alive. */
  readonly transport: NodeTransport;
  readonly stopped: AbortSignal;
  readonly run: RunOptions;
}

export interface OpenCallInput {
  /** As the command line names it: `package.Service/Method`. */
  readonly name: string;
  /** Requests in JSON; "-" is standard input. */
  readonly json: string;
  /** Beside those of the options. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly interceptors?: readonly Interceptor[];
}

/** Finds the method at the gateway, and where the gateway takes calls. */
export async function openCall(context: CliContext, options: CallOptions, input: OpenCallInput): Promise<OpenCall> {
  const { name, json, headers = [], interceptors = [] } = input;
  const methodName = parseMethodName(name);
  const operator = openOperator(context, options);
  const { schema } = await operator.admin.getServiceSchema({ service: methodName.service });
  const known = findMethod(schema, methodName);
  const baseUrl = options.api ?? (await findApi(operator));
  const transport = createNodeTransport({ baseUrl, connectWaitMs: 0, interceptors });
  const stopping = new AbortController();
  context.onStop(() => stopping.abort());
  return {
    baseUrl,
    transport,
    stopped: stopping.signal,
    run: {
      transport,
      known,
      documents: splitDocuments(json === '-' ? untilAborted(context.stdin, stopping.signal) : inline(json)),
      headers: [...(options.header ?? []), ...headers],
      timeoutMs: options.timeout,
      signal: stopping.signal,
    },
  };
}

/** Who is asked to stop must not wait for somebody who types. */
async function* untilAborted<T>(pieces: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined));
  });
  const rest = pieces[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([rest.next(), aborted]);
    if (next === undefined || next.done === true) return;
    yield next.value;
  }
}

async function* inline(json: string): AsyncGenerator<string> {
  yield json;
}
