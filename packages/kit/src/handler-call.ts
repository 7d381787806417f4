import { callError, Code, type Body, type Cancel, type Clock, type Reply, type RequestHead } from '@bascule/core';
import { Code as ConnectCode, ConnectError } from '@connectrpc/connect';
import type { UniversalHandlerFn, UniversalServerRequest } from '@connectrpc/connect/protocol';
import { createCreditWriter } from './credit-writer.ts';
import { fieldsOf, headersOf, setDeadline } from './headers.ts';
import { createRequestBody, type RequestBody } from './request-body.ts';

/** Below it grants are put together: a short unary call then costs its wire no word about credit at all. */
const GRANT_BATCH_BYTES = 16_384;

/** One call of one of Connect's universal handlers, as a Service answers it. */
export function runHandler(handler: UniversalHandlerFn, head: RequestHead, reply: Reply, clock: Clock): Body {
  let state: 'running' | 'over' = 'running';
  let consumedBytes = 0;
  const abort = new AbortController();
  const writer = createCreditWriter((bytes) => reply.write(bytes));
  const body = createRequestBody((bytes) => {
    consumedBytes += bytes;
    if (state === 'over' || consumedBytes < GRANT_BATCH_BYTES) return;
    const granted = consumedBytes;
    consumedBytes = 0;
    reply.grant(granted);
  });
  const isOver = (): boolean => state === 'over';

  async function writeAll(chunks: AsyncIterator<Uint8Array> | undefined): Promise<void> {
    if (chunks === undefined) return;
    while (!isOver()) {
      const chunk = await chunks.next();
      if (chunk.done === true) return;
      await writer.write(chunk.value);
    }
    // The handler's own clean-up runs here; nobody waits for it.
    await chunks.return?.();
  }

  async function answer(): Promise<void> {
    const response = await handler(requestOf(head, body, abort.signal, clock));
    if (!isOver()) reply.head({ status: response.status, fields: fieldsOf(response.header) });
    await writeAll(response.body?.[Symbol.asyncIterator]());
    if (isOver()) return;
    state = 'over';
    reply.end(fieldsOf(response.trailer));
  }

  answer().catch((error: unknown) => {
    if (isOver()) return;
    state = 'over';
    reply.fail(callError(Code.internal, 'the handler broke before it had answered'));
    const reason = ConnectError.from(error, ConnectCode.Internal);
    abort.abort(reason);
    body.fail(reason);
  });

  return {
    write(bytes) {
      if (state === 'running') body.push(bytes);
    },
    end: () => body.end(),
    grant: (bytes) => writer.grant(bytes),
    cancel(reason) {
      if (state === 'over') return;
      state = 'over';
      const error = errorOf(reason);
      writer.stop();
      abort.abort(error);
      body.fail(error);
    },
  };
}

function requestOf(head: RequestHead, body: RequestBody, signal: AbortSignal, clock: Clock): UniversalServerRequest {
  const header = headersOf(head.fields);
  setDeadline(header, head, clock);
  // A made-up authority must not be able to break the parsing of a GET's query.
  const authority = /^[\w.:[\]-]+$/.test(head.authority) ? head.authority : 'localhost';
  // A Service does not know the HTTP version; "2" lets bidi streams through, and the listener answers for the rest.
  return {
    httpVersion: '2.0',
    method: head.method,
    url: `${head.scheme}://${authority}${head.path}`,
    header,
    body,
    signal,
  };
}

function errorOf(reason: Cancel): ConnectError {
  return reason === 'deadline'
    ? new ConnectError('the deadline is over', ConnectCode.DeadlineExceeded)
    : new ConnectError(`the caller gave up: ${reason}`, ConnectCode.Canceled);
}
