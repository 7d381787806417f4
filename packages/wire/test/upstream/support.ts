import { createCallContext, type CallContext, type Idempotency, type MethodKind, type Service } from '@bascule/core';

let lastId = 0;

/** The context of a call of a known kind. */
export function callOf(kind: MethodKind, idempotency: Idempotency = 'unknown'): CallContext {
  const call = createCallContext(`upstream-${++lastId}`, performance.now(), '');
  call.method = { service: 'test.v1.TestService', method: 'Any', kind, idempotency };
  return call;
}

/** Takes nothing: what is not RPC must not come here. */
export const REFUSING: Service = () => {
  throw new Error('a request of an upstream was not taken for RPC');
};
