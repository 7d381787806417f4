import { getField, withoutFields, type Fields, type Service } from '@bascule/core';
import { createHead } from '@bascule/testing';
import { Code, ConnectError, type Interceptor, type Transport } from '@connectrpc/connect';
import { compressionGzip } from '@connectrpc/connect-node';
import { createTransport as createConnect } from '@connectrpc/connect/protocol-connect';
import { createTransport as createGrpc } from '@connectrpc/connect/protocol-grpc';
import { createTransport as createGrpcWeb } from '@connectrpc/connect/protocol-grpc-web';
import type { UniversalClientFn } from '@connectrpc/connect/protocol';
import { createCreditWriter } from './credit-writer.ts';
import { headersOf } from '../src/headers.ts';
import { createRequestBody } from './request-body.ts';

const FACTORIES = { grpc: createGrpc, 'grpc-web': createGrpcWeb, connect: createConnect };
export type Protocol = keyof typeof FACTORIES;
export const PROTOCOLS = Object.keys(FACTORIES) as Protocol[];

/** What a transport over a Service may differ in. */
interface InProcessOptions {
  interceptors?: Interceptor[];
  useHttpGet?: boolean;
  deadlineMs?: number;
}

/** Connect's own client protocols on a Service, with no socket between. Credit is kept as strictly as on a wire. */
export function createInProcessTransport(
  service: Service,
  protocol: Protocol,
  options: InProcessOptions = {},
): Transport {
  return FACTORIES[protocol]({
    httpClient: clientOf(service, options.deadlineMs),
    baseUrl: 'http://kit.test',
    useBinaryFormat: true,
    interceptors: options.interceptors ?? [],
    useHttpGet: options.useHttpGet ?? false,
    acceptCompression: [compressionGzip],
    sendCompression: null,
    compressMinBytes: 1024,
    readMaxBytes: 0xffffffff,
    writeMaxBytes: 0xffffffff,
  });
}

function clientOf(service: Service, deadlineMs: number | undefined): UniversalClientFn {
  return (request) => {
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<UniversalClientFn>>>();
    const url = new URL(request.url);
    const trailer = new Headers();
    const received = createRequestBody((bytes) => body.grant(bytes));
    const head = createHead({
      method: request.method,
      path: url.pathname + url.search,
      authority: url.host,
      fields: fieldsOf(request.header),
    });
    head.call.deadlineMs = deadlineMs;
    let hasHead = false;
    const resolveHead = (status: number, fields: Fields): void => {
      hasHead = true;
      resolve({ status, header: headersOf(fields), body: received, trailer });
    };
    const body = service(head, {
      head: ({ status, fields }) => resolveHead(status, fields),
      write: (bytes) => received.push(bytes),
      end(trailers: Fields) {
        // Trailers-Only: to Connect's client these stand in the head.
        if (!hasHead) resolveHead(200, ['content-type', 'application/grpc', ...withoutType(trailers)]);
        else headersOf(trailers).forEach((value, name) => trailer.set(name, value));
        received.end();
      },
      fail(error) {
        const failure = new ConnectError(error.message, Code.Internal);
        reject(failure);
        received.fail(failure);
      },
      grant: (bytes) => writer.grant(bytes),
    });
    const writer = createCreditWriter((bytes) => body.write(bytes));
    request.signal?.addEventListener('abort', () => {
      const failure = ConnectError.from(request.signal?.reason, Code.Canceled);
      writer.stop();
      body.cancel('caller-gone');
      received.fail(failure);
      reject(failure);
    });
    void upload(request.body, writer).then(() => body.end());
    return promise;
  };
}

function withoutType(fields: Fields): Fields {
  return withoutFields(fields, new Set(['content-type']));
}

/** Headers as fields. */
function fieldsOf(headers: Headers): string[] {
  const fields: string[] = [];
  headers.forEach((value, name) => fields.push(name, value));
  return fields;
}

async function upload(chunks: AsyncIterable<Uint8Array> | undefined, writer: ReturnType<typeof createCreditWriter>) {
  for await (const chunk of chunks ?? []) await writer.write(chunk);
}

/** `grpc-status` of trailers, for assertions. */
export function statusOf(trailers: Fields | undefined): string | undefined {
  return trailers && getField(trailers, 'grpc-status');
}
