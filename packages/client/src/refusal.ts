import type { Body, CallError, Reply } from '@bascule/core';

/** Answers a call with a failure of our own, once its caller has its Body. */
export function refuse(reply: Reply, error: CallError): Body {
  let isOpen = true;
  queueMicrotask(() => {
    if (isOpen) reply.fail(error);
  });
  return {
    write() {},
    end() {},
    grant() {},
    cancel() {
      isOpen = false;
    },
  };
}
