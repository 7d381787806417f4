import type { ClientRequest, IncomingMessage } from 'node:http';
import { quoteStart } from './quote.ts';

/** What a server said. */
export interface HttpAnswer {
  /** Undefined when it was not sent. */
  header(name: string): string | undefined;
  /** Throws when the body is no JSON, with its first characters. */
  json(): unknown;
}

/** The server said no. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  /** The whole body. */
  readonly body: string;

  constructor(what: string, status: number, body: string) {
    super(`${what}: ${status} ${quoteStart(body)}`);
    this.status = status;
    this.body = body;
  }
}

/** An answer that has arrived whole. */
interface Received {
  readonly incoming: IncomingMessage;
  readonly body: string;
}

/** Resolves when an answer is whole. `outdated`: the kept connection was closed by the server while nobody used it. */
export function receive(outgoing: ClientRequest, maxBytes: number): Promise<Received | 'outdated'> {
  const { promise, resolve, reject } = Promise.withResolvers<Received | 'outdated'>();
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    if (outgoing.reusedSocket && error.code === 'ECONNRESET') resolve('outdated');
    else reject(error);
  });
  outgoing.on('response', (incoming) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > maxBytes) reject(new Error(`the answer has more than ${maxBytes} bytes`));
    });
    incoming.on('error', reject);
    incoming.on('end', () => resolve({ incoming, body: Buffer.concat(chunks).toString() }));
  });
  return promise;
}

/** Throws HttpError for a status that is not 2xx. `what` was asked, for people. */
export function toAnswer(what: string, { incoming, body }: Received): HttpAnswer {
  const status = incoming.statusCode ?? 0;
  if (status < 200 || status > 299) throw new HttpError(what, status, body);
  return {
    header(name) {
      const value = incoming.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    json() {
      try {
        return JSON.parse(body) as unknown;
      } catch {
        throw new Error(`${what}: the answer is no JSON: ${quoteStart(body)}`);
      }
    },
  };
}
