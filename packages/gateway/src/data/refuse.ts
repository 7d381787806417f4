import type { Body, CallError, Reply } from '@bascule/core';

/** A Body that ignores everything: for calls that are over before they began. */
const NOTHING: Body = { write() {}, end() {}, cancel() {}, grant() {} };

/** Fails a call without starting it, once Body has been returned as the law asks. */
export function refuse(reply: Reply, error: CallError): Body {
  let over = false;
  queueMicrotask(() => {
    if (over) return;
    over = true;
    reply.fail(error);
  });
  return {
    ...NOTHING,
    cancel() {
      over = true;
    },
  };
}
