import type { Service } from '@bascule/core';

const BODY = new TextEncoder().encode('not found\n');

/** Answers 404 in plain text: for what is neither a call nor a file. */
export const notFound: Service = (head, reply) => {
  let over = false;
  queueMicrotask(() => {
    if (over) return;
    over = true;
    const fields = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(BODY.length)];
    reply.head({ status: 404, fields });
    if (head.method !== 'HEAD') reply.write(BODY);
    reply.end([]);
  });
  return {
    write() {},
    end() {},
    grant() {},
    cancel() {
      over = true;
    },
  };
};
