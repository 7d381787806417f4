import type { Body, CallError, Reply } from '@bascule/core';

/** Answers a call with a failure of our own, once its caller has its Body, as the law of a call asks. */
export function refuseCall(reply: Reply, error: CallError): Body {
  const body = new RefusedBody();
  queueMicrotask(() => {
    if (body.state === 'open') reply.fail(error);
  });
  return body;
}

class RefusedBody implements Body {
  state: 'open' | 'canceled' = 'open';

  write(): void {}

  end(): void {}

  cancel(): void {
    this.state = 'canceled';
  }

  grant(): void {}
}
