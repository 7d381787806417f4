import {
  callError,
  Code,
  getField,
  trailersOf,
  type Body,
  type Fields,
  type Reply,
  type RequestHead,
} from '@bascule/core';

/** An answer without a body. */
interface Answer {
  readonly status: number;
  readonly fields: Fields;
  readonly trailers: Fields;
}

/** Answers what no handler serves, in the words of whoever asked: `unimplemented` for gRPC, 404 for all others. */
export function answerUnknownPath(head: RequestHead, reply: Reply): Body {
  const contentType = getField(head.fields, 'content-type') ?? '';
  if (!contentType.startsWith('application/grpc')) return answerStatus(reply, 404);
  const path = head.path.split('?', 1)[0] as string;
  const trailers = trailersOf(callError(Code.unimplemented, `no handler for ${path}`));
  // gRPC-Web over plain HTTP has no trailers: without a body the status stands in the head.
  const isWeb = contentType.startsWith('application/grpc-web');
  const fields = ['content-type', contentType, ...(isWeb ? trailers : [])];
  return answer(reply, { status: 200, fields, trailers: isWeb ? [] : trailers });
}

/** Answers with nothing but an HTTP status. */
export function answerStatus(reply: Reply, status: number): Body {
  return answer(reply, { status, fields: ['content-length', '0'], trailers: [] });
}

function answer(reply: Reply, { status, fields, trailers }: Answer): Body {
  let state: 'open' | 'over' = 'open';
  const cancel = (): void => void (state = 'over');
  const isOpen = (): boolean => state === 'open';
  // Not before the Body is returned.
  queueMicrotask(() => {
    if (isOpen()) reply.head({ status, fields });
    if (!isOpen()) return;
    state = 'over';
    reply.end(trailers);
  });
  return { write() {}, end() {}, grant() {}, cancel };
}
