import { withField, type Clock, type Layer } from '@bascule/core';

/**
 * Says in `grpc-timeout` how much time is left. Stands inside retry, since each attempt has less of it than the one
 * before.
 */
export function createTimeoutFieldLayer(options: { readonly clock: Clock }): Layer {
  return (next) => (head, reply) => {
    const { deadlineMs } = head.call;
    if (deadlineMs === undefined) return next(head, reply);
    const fields = withField(head.fields, 'grpc-timeout', encodeTimeout(deadlineMs - options.clock.nowMs()));
    const { method, path, authority, scheme, call } = head;
    return next({ method, path, authority, scheme, fields, call }, reply);
  };
}

const MAX_VALUE = 99_999_999;

/** A `grpc-timeout` value: at most 8 digits and a unit, never more than what remains. Source: grpc PROTOCOL-HTTP2. */
export function encodeTimeout(remainingMs: number): string {
  // Zero is no lawful value; one nanosecond says the same.
  if (!(remainingMs > 0)) return '1n';
  // As exact as it goes: a callee that is told a millisecond less resets the call before our own deadline says why.
  const remainingUs = Math.max(1, Math.floor(remainingMs * 1000));
  if (remainingUs <= MAX_VALUE) return `${remainingUs}u`;
  if (remainingMs <= MAX_VALUE) return `${Math.floor(remainingMs)}m`;
  const seconds = Math.floor(remainingMs / 1000);
  if (seconds <= MAX_VALUE) return `${seconds}S`;
  return `${Math.min(MAX_VALUE, Math.floor(seconds / 3600))}H`;
}
