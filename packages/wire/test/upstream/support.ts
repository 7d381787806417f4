import {
  createCallContext,
  getField,
  type CallContext,
  type Fields,
  type Idempotency,
  type MethodKind,
  type Service,
} from '@bascule/core';
import { createHead, startCall, type RecordedCall } from '@bascule/testing';
import { createCallee, frame, type SeenCall } from '../dialect/support/callee.ts';
import { watchLaw, type Violations } from '../dialect/support/law.ts';

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

/** Starts a call through an upstream to a callee that the test speaks for, watched on both hops. */
export function startUpstream(
  createUpstream: (next: Service) => Service,
  { kind = 'bidi_stream', innerType = 'application/grpc', fields = [], idempotency = 'unknown' }: StartOptions = {},
): StartedCall {
  const callee = createCallee();
  const violations: Violations = [];
  const service = watchLaw('outer', createUpstream(watchLaw('inner', callee.service, violations)), violations);
  const head = createHead({
    fields: ['content-type', innerType, 'te', 'trailers', ...fields],
    call: callOf(kind, idempotency),
  });
  const call = startCall(service, head);
  if (kind === 'unary') {
    call.body.write(frame('ask'));
    call.body.end();
  }
  const [seen] = callee.calls;
  if (seen === undefined) throw new Error('the upstream has sent nothing');
  return { call, seen, violations };
}

interface StartOptions {
  readonly kind?: MethodKind;
  readonly innerType?: string;
  readonly fields?: readonly string[];
  readonly idempotency?: Idempotency;
}

interface StartedCall {
  readonly call: RecordedCall;
  readonly seen: SeenCall;
  readonly violations: Violations;
}

/** How a call ended: `grpc-status` of trailers, or the code of a failure. */
export function codeOf(call: RecordedCall): number | undefined {
  if (call.error !== undefined) return call.error.code;
  const status = getField(call.trailers ?? [], 'grpc-status');
  return status === undefined ? undefined : Number(status);
}

/** Fields as a person reads them. */
export function toLines(fields: Fields = []): string[] {
  return fields.flatMap((name, i) => (i % 2 === 0 ? [`${name} ${fields[i + 1]}`] : []));
}
