import type { Service } from '@bascule/core';

/** For the contract suite, whose caller takes no grant inside its own `write`: grants come a moment later. */
export function grantingLater(callee: Service): Service {
  return (head, reply) =>
    callee(head, {
      head: (h) => reply.head(h),
      write: (bytes) => reply.write(bytes),
      end: (trailers) => reply.end(trailers),
      fail: (error) => reply.fail(error),
      grant: (bytes) => queueMicrotask(() => reply.grant(bytes)),
    });
}
