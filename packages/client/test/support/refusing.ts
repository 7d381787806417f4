import { callError, type Code, type RequestHead, type Service } from '@bascule/core';

/** A Service that keeps the heads of its calls and fails them. */
export function refuseUnder(heads: RequestHead[], code: Code): Service {
  return (head, reply) => {
    heads.push(head);
    queueMicrotask(() => reply.fail(callError(code, 'refused')));
    return { write() {}, end() {}, cancel() {}, grant() {} };
  };
}
