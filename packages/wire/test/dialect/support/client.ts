import { createCallContext, INITIAL_CREDIT_BYTES, type Service } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import type { UniversalClientFn, UniversalClientResponse } from '@connectrpc/connect/protocol';
import { toFields, toHeaders } from './handlers.ts';
import { createBytePipe, createCredit } from './pipe.ts';

let lastId = 0;

/** An HTTP client, as the official transports want one, whose server is `service`. */
export function createServiceClient(service: Service): UniversalClientFn {
  return (request) => {
    const url = new URL(request.url);
    const credit = createCredit(INITIAL_CREDIT_BYTES);
    const { promise, resolve, reject } = Promise.withResolvers<UniversalClientResponse>();
    const trailer = new Headers();
    let over = false;
    const answer = createBytePipe((bytes) => {
      if (!over) body.grant(bytes);
    });
    const finish = (error?: Error): void => {
      over = true;
      if (error === undefined) return answer.end();
      answer.fail(error);
      reject(error);
    };
    const body = service(
      {
        method: request.method,
        path: url.pathname + url.search,
        authority: url.host,
        scheme: 'http',
        fields: toFields(request.header),
        call: createCallContext(`client-${++lastId}`, 0, '127.0.0.1'),
      },
      {
        head: ({ status, fields }) => resolve({ status, header: toHeaders(fields), body: answer, trailer }),
        write: (bytes) => answer.push(bytes),
        end(trailers) {
          toHeaders(trailers).forEach((value, name) => trailer.append(name, value));
          finish();
        },
        fail: ({ message }) => finish(new Error(`the dialect layer let a failure through: ${message}`)),
        grant: (bytes) => credit.grant(bytes),
      },
    );
    request.signal?.addEventListener('abort', () => {
      if (over) return;
      finish(new ConnectError('aborted', Code.Canceled));
      body.cancel('caller-gone');
    });
    // Read through a function: the flag changes while the upload waits.
    const isOver = (): boolean => over;
    const upload = async (): Promise<void> => {
      for await (const chunk of request.body ?? []) {
        for (let at = 0; at < chunk.length && !isOver();) {
          const taken = await credit.take(chunk.length - at);
          if (!isOver()) body.write(chunk.subarray(at, at + taken));
          at += taken;
        }
      }
      if (!isOver()) body.end();
    };
    upload().catch((error: unknown) => finish(error as Error));
    return promise;
  };
}
