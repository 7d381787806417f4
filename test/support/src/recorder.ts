import {
  createCallContext,
  type Body,
  type CallError,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
} from '@bascule/core';

/** A caller for tests: starts a call and records what comes back. */
export interface RecordedCall {
  readonly body: Body;
  readonly heads: ResponseHead[];
  readonly chunks: Uint8Array[];
  /** Bytes the callee granted so far, beyond the initial credit. */
  granted: number;
  trailers: Fields | undefined;
  error: CallError | undefined;
  /** Settles at `reply.end` or `reply.fail`. */
  readonly done: Promise<void>;
  /** All reply bytes so far. */
  bytes(): Uint8Array;
}

let lastId = 0;

/** A request head in the inner dialect, with what a test wants to differ. */
export function createHead(overrides: Partial<RequestHead> = {}): RequestHead {
  return {
    method: 'POST',
    path: '/test.v1.TestService/Unary',
    authority: 'test.local',
    scheme: 'http',
    fields: ['content-type', 'application/grpc', 'te', 'trailers'],
    call: createCallContext(`test-${++lastId}`, performance.now(), '127.0.0.1'),
    ...overrides,
  };
}

/** Starts a call on `service`; grants reply bytes as they come unless `autoGrant` is false. */
export function startCall(service: Service, head = createHead(), autoGrant = true): RecordedCall {
  const { promise, resolve } = Promise.withResolvers<void>();
  const record = { heads: [] as ResponseHead[], chunks: [] as Uint8Array[], granted: 0 };
  const call = record as unknown as RecordedCall & { body: Body };
  const reply: Reply = {
    head: (head) => void call.heads.push(head),
    write(bytes) {
      call.chunks.push(new Uint8Array(bytes));
      if (autoGrant) call.body.grant(bytes.length);
    },
    end(trailers) {
      call.trailers = trailers;
      resolve();
    },
    fail(error) {
      call.error = error;
      resolve();
    },
    grant: (bytes) => void (call.granted += bytes),
  };
  Object.assign(call, {
    done: promise,
    trailers: undefined,
    error: undefined,
    bytes: () => Uint8Array.from(call.chunks.flatMap((c) => [...c])),
  });
  call.body = service(head, reply);
  return call;
}
