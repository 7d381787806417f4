import { callError, Code, type RequestHead, type Service } from '@bascule/core';

/** A Service that keeps the heads of its calls and fails them. */
export function refuseUnder(heads: RequestHead[], code: Code): Service {
  return (head, reply) => {
    heads.push(head);
    queueMicrotask(() => reply.fail(callError(code, 'refused')));
    return { write() {}, end() {}, cancel() {}, grant() {} };
  };
}

/** A Service that is away for the first `times` calls; then it grants nothing, and answers the end of the request. */
export function awayFor(times: number): Service & { calls: number } {
  const service = (...[, reply]: Parameters<Service>): ReturnType<Service> => {
    if (++away.calls <= times) {
      queueMicrotask(() => reply.fail(callError(Code.unavailable, 'away', 'never-sent')));
      return { write() {}, end() {}, cancel() {}, grant() {} };
    }
    return {
      write() {},
      end() {
        reply.head({ status: 200, fields: ['content-type', 'application/grpc+proto'] });
        reply.write(new Uint8Array(5));
        reply.end(['grpc-status', '0']);
      },
      cancel() {},
      grant() {},
    };
  };
  const away = Object.assign(service, { calls: 0 });
  return away;
}
