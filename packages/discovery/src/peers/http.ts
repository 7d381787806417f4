import { Agent, request as requestInTheClear, type ClientRequest } from 'node:http';
import { Agent as TlsAgent, request as requestOverTls } from 'node:https';
import type { Clock } from '@bascule/core';
import type { TlsMaterial } from '../spec.ts';
import { HttpError, receive, toAnswer, type HttpAnswer } from './http-answer.ts';

/**
 * Asks systems that speak JSON over HTTP: Consul, Eureka and Nacos. Our own, since the clients on npm are not worth
 * trusting the lives of endpoints to: `eureka-js-client` has had no release since 2018, `nacos` speaks an interface that
 * Nacos takes away, and `consul` is a thin layer of names over HTTP that bounds neither the time nor the size of an answer
 * and hides the headers that say whether to believe it.
 */
export interface HttpClient {
  /**
   * Resolves with an answer of status 2xx. Everything asked here may be asked twice, and is when a kept connection turns
   * out to be closed. Throws HttpError for other statuses, redirects too, and an Error with what and where for the rest.
   */
  ask(request: HttpRequest): Promise<HttpAnswer>;
  /** Closes the connections; requests under way fail. */
  close(): void;
}

export interface HttpClientOptions {
  /**
   * `http://host:port` or `https://host:port`; of several, which are one system, one is asked until it fails, and then the
   * next. All of one scheme.
   */
  readonly origins: readonly string[];
  readonly tls?: TlsMaterial | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** Requests beyond it wait for their turn, within their time. Default 8. */
  readonly maxConnections?: number;
  /** Of one answer. Default 64 MiB. */
  readonly maxBytes?: number;
}

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** With its query. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as a form, in place of `body`. */
  readonly form?: Readonly<Record<string, string>>;
  /** Beside those of all requests. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Until the last byte of the answer. Default 10,000 ms. */
  readonly timeoutMs?: number;
  /**
   * Waits at the server for news after a point of its history. Then it fails when the connection is lost, also a kept
   * one: asked again of a server that has started anew, it would wait for a point that is far. Default false.
   */
  readonly waits?: boolean;
  readonly signal: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_CONNECTIONS = 8;
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** Connects when it is asked. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { origins, tls, clock, maxBytes = DEFAULT_MAX_BYTES } = options;
  const isOverTls = origins[0]?.startsWith('https:') === true;
  const keeping = { keepAlive: true, maxSockets: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS };
  const agent = isOverTls ? new TlsAgent({ ...keeping, ...tls }) : new Agent(keeping);
  const start = isOverTls ? requestOverTls : requestInTheClear;
  let turn = 0;

  function open(origin: string, request: HttpRequest): ClientRequest {
    const { method, path } = request;
    const { type, text } = contentOf(request);
    const headers: Record<string, string | number> = {
      accept: 'application/json',
      ...options.headers,
      ...request.headers,
    };
    if (type !== undefined) headers['content-type'] = type;
    // PUT without a length would be sent in chunks, which some proxies refuse.
    if (method !== 'GET') headers['content-length'] = Buffer.byteLength(text);
    const outgoing = start(new URL(path, origin), { agent, method, headers });
    outgoing.end(text);
    return outgoing;
  }

  async function ask(request: HttpRequest): Promise<HttpAnswer> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = request;
    const asked = turn;
    const origin = origins[asked % origins.length] as string;
    const what = `${request.method} ${origin}${request.path}`;
    signal.throwIfAborted();
    let outgoing = open(origin, request);
    const stopped = Promise.withResolvers<never>();
    const stop = (why: Error): void => {
      stopped.reject(why);
      outgoing.destroy();
    };
    const onAbort = (): void => stop(signal.reason as Error);
    const timer = clock.after(timeoutMs, () => stop(new Error(`no answer within ${timeoutMs} ms`)));
    signal.addEventListener('abort', onAbort);
    try {
      for (;;) {
        const answer = await Promise.race([receive(outgoing, maxBytes), stopped.promise]);
        if (answer !== 'outdated') return toAnswer(what, answer);
        if (request.waits === true) throw new Error('the connection was lost');
        outgoing = open(origin, request);
      }
    } catch (error) {
      outgoing.destroy();
      if (signal.aborted) throw signal.reason;
      // Of many requests that fail at one server, only the first goes on to the next.
      if (turn === asked && !(error instanceof HttpError && error.status < 500)) turn++;
      throw error instanceof HttpError ? error : new Error(`${what}: ${messageOf(error)}`, { cause: error });
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  return { ask, close: () => agent.destroy() };
}

function contentOf({ body, form }: HttpRequest): { type?: string; text: string } {
  if (form !== undefined) {
    return { type: 'application/x-www-form-urlencoded', text: new URLSearchParams({ ...form }).toString() };
  }
  return body === undefined ? { text: '' } : { type: 'application/json', text: JSON.stringify(body) };
}

/** Connecting to a name with several addresses fails with all of their reasons and no words of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
