import {
  createCallContext,
  type Body,
  type CallContext,
  type Cancel,
  type Idempotency,
  type MethodKind,
  type Reply,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { createHead } from '@bascule/testing';

/** What a scripted callee got of one call, and the reply to answer it with. */
export interface Received {
  readonly head: RequestHead;
  readonly reply: Reply;
  readonly cancels: Cancel[];
  readonly ends: number[];
  text: string;
  granted: number;
}

/** A callee that does what the test says; `onWrite` and `onEnd` run inside the caller's own calls. */
export function createCallee(
  script: {
    onStart?(got: Received, n: number): void;
    onWrite?(got: Received, n: number): void;
    onEnd?(got: Received, n: number): void;
  } = {},
): { service: Service; calls: Received[] } {
  const calls: Received[] = [];
  const service: Service = (head, reply): Body => {
    const got: Received = { head, reply, cancels: [], ends: [], text: '', granted: 0 };
    const n = calls.push(got) - 1;
    queueMicrotask(() => script.onStart?.(got, n));
    return {
      write(bytes) {
        got.text += Buffer.from(bytes).toString('latin1');
        script.onWrite?.(got, n);
      },
      end() {
        got.ends.push(got.text.length);
        script.onEnd?.(got, n);
      },
      cancel: (reason) => void got.cancels.push(reason),
      grant: (bytes) => void (got.granted += bytes),
    };
  };
  return { service, calls };
}

export const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');

export const OK_HEAD = { status: 200, fields: ['content-type', 'application/grpc'] };
export const OK = ['grpc-status', '0'];
export const UNAVAILABLE = ['grpc-status', '14', 'grpc-message', 'busy'];

/** A head whose route knows the method. */
export function knownHead(
  idempotency: Idempotency,
  kind: MethodKind = 'unary',
  call: Partial<CallContext> = {},
): RequestHead {
  const context = createCallContext('test', 0, '127.0.0.1');
  context.method = { service: 'test.v1.TestService', method: 'Call', kind, idempotency };
  return createHead({ call: Object.assign(context, { cluster: 'test', dialect: 'grpc-web' as const }, call) });
}

/** After what was queued for the end of this turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
