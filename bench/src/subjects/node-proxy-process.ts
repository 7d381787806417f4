import { createServer } from 'node:http';
import {
  connect,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { answerLines, say } from '../drivers/lines.ts';

export interface NodeProxyOptions {
  readonly backendPorts: readonly number[];
  readonly http: '1.1' | '2';
}

/** What node:http and node:http2 have in common. */
type Request = Readable & { readonly url?: string | undefined; readonly headers: IncomingHttpHeaders };
type Response = Writable & { statusCode: number; setHeader(name: string, value: string): unknown };

/** Fields that belong to one connection, or that the other protocol says otherwise. */
const DROPPED = new Set([
  'connection',
  'host',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'content-type',
  'te',
]);

/** Passes gRPC-Web on as gRPC by the plainest means of Node. */
export async function run({ backendPorts, http }: NodeProxyOptions): Promise<void> {
  const sessions = backendPorts.map((port) => connect(`http://127.0.0.1:${port}`));
  let next = 0;

  function pass(request: Request, response: Response): void {
    const session = sessions[next++ % sessions.length];
    if (session === undefined) throw new Error('no backend');
    const upstream = session.request(toGrpcHead(request.url ?? '/', request.headers));
    let trailers: IncomingHttpHeaders = {};
    upstream.on('response', (head) => {
      trailers = head;
      response.statusCode = 200;
      response.setHeader('content-type', 'application/grpc-web+proto');
    });
    upstream.on('data', (bytes: Buffer) => void response.write(bytes));
    upstream.on('trailers', (fields) => {
      trailers = fields;
    });
    upstream.on('end', () => void response.end(toFrame(trailers)));
    upstream.on('error', () => response.destroy());
    response.on('close', () => upstream.close());
    request.pipe(upstream);
  }

  const server = http === '2' ? createHttp2Server(pass) : createServer(pass);
  server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }));
  await answerLines(async () => ({}));
}

function toGrpcHead(path: string, fields: IncomingHttpHeaders): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = {
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc+proto',
    te: 'trailers',
  };
  for (const name in fields) if (!DROPPED.has(name) && !name.startsWith(':')) head[name] = fields[name];
  return head;
}

function toFrame(trailers: IncomingHttpHeaders): Buffer {
  const text = Object.entries(trailers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  const lines = Buffer.from(text.filter((line) => !line.startsWith(':')).join(''), 'latin1');
  const prefix = Buffer.alloc(5);
  prefix[0] = 0x80;
  prefix.writeUInt32BE(lines.length, 1);
  return Buffer.concat([prefix, lines]);
}
