import type { CallContext } from '@bascule/core';

/**
 * Whether a call is known to be unary: by its method's schema, or without one by its dialect, since Connect has unary
 * calls in a form of their own. gRPC and gRPC-Web say nothing of it.
 */
export function isKnownUnary({ method, dialect }: Pick<CallContext, 'method' | 'dialect'>): boolean {
  return method === undefined ? dialect === 'connect' : method.kind === 'unary';
}
