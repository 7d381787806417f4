import { Code, getField, trailersOf, callError, type Body, type Reply, type RequestHead } from '@bascule/core';

const SILENT_BODY: Body = { write() {}, end() {}, cancel() {}, grant() {} };

/** Answers what no handler serves, in the words of whoever asked: `unimplemented` for gRPC, 404 for all others. */
export function answerUnknownPath(head: RequestHead, reply: Reply): Body {
  let state: 'open' | 'over' = 'open';
  // Not before the Body is returned.
  queueMicrotask(() => {
    if (state === 'over') return;
    state = 'over';
    const contentType = getField(head.fields, 'content-type') ?? '';
    if (!contentType.startsWith('application/grpc')) {
      reply.head({ status: 404, fields: ['content-length', '0'] });
      reply.end([]);
      return;
    }
    const path = head.path.split('?', 1)[0] as string;
    const trailers = trailersOf(callError(Code.unimplemented, `no handler for ${path}`));
    // gRPC-Web over plain HTTP has no trailers: without a body the status stands in the head.
    const isWeb = contentType.startsWith('application/grpc-web');
    reply.head({ status: 200, fields: ['content-type', contentType, ...(isWeb ? trailers : [])] });
    reply.end(isWeb ? [] : trailers);
  });
  return { ...SILENT_BODY, cancel: () => (state = 'over') };
}
