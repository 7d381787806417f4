import { request as request1 } from 'node:http';
import { connect as connect2, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';

/** A request as its sender wants it, right or wrong. */
export interface RawRequest {
  readonly http: 1 | 2;
  readonly method?: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly trailers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** Sends a request over a connection of its own and reads the whole answer. */
export function askRaw(port: number, request: RawRequest): Promise<RawAnswer> {
  return request.http === 1 ? askHttp1(port, request) : askHttp2(port, request);
}

function askHttp1(port: number, { method = 'POST', path, headers, body = '' }: RawRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const call = request1({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: flat(response.headers),
          trailers: flat(response.trailers),
          body: Buffer.concat(chunks),
        }),
      );
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}

async function askHttp2(port: number, { method = 'POST', path, headers, body = '' }: RawRequest): Promise<RawAnswer> {
  const session = connect2(`http://127.0.0.1:${port}`);
  try {
    return await new Promise((resolve, reject) => {
      session.on('error', reject);
      const stream = session.request({ ':method': method, ':path': path, ...headers });
      const chunks: Buffer[] = [];
      let head: IncomingHttpHeaders = {};
      let trailers: IncomingHttpHeaders = {};
      stream.on('response', (fields) => (head = fields));
      stream.on('trailers', (fields) => (trailers = fields));
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('end', () =>
        resolve({
          status: Number(head[':status']),
          headers: flat(head),
          trailers: flat(trailers),
          body: Buffer.concat(chunks),
        }),
      );
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
}

function flat(headers: IncomingHttpHeaders | NodeJS.Dict<string>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString()]));
}

/** Sends bytes as they are, and gives what came back until the connection was closed. */
export function sendBytes(port: number, bytes: Uint8Array | string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => chunks.push(chunk));
    // A peer that closes with bytes unread resets the connection: as good an end as any.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}
