import type { DescMessage, DescMethodStreaming, DescMethodUnary, Message, MessageInitShape } from '@bufbuild/protobuf';
import type { StreamResponse, UnaryResponse } from '@connectrpc/connect';
import { createCallContext, type Fields } from '@bascule/core';
import type { Backend } from './backend.ts';
import { encodeRequest } from './encode-request.ts';
import { errorOfAbort, errorOfOuter } from './failures.ts';
import type { MethodPlan } from './method-plan.ts';
import { createBaseFields, toRequestFields, type HeaderInit } from './request-fields.ts';
import type { RpcCallParts } from './rpc-call.ts';
import type { TransportSettings } from './settings.ts';
import { StreamCall } from './stream-call.ts';
import type { Target } from './target.ts';
import { UnaryCall } from './unary-call.ts';

/** What is wished for one call, by its caller or by the interceptors around it. */
export interface CallWish {
  readonly plan: MethodPlan;
  /** Where the call goes, when not to the path of its method. */
  readonly path?: string;
  readonly header: HeaderInit | undefined;
  readonly signal: AbortSignal | undefined;
  readonly deadlineMs: number | undefined;
  /** Of the call in whose handler this one is made: it fires when that is over. */
  readonly outer: AbortSignal | undefined;
  /** `signal` fires at the deadline, so the call needs no timer of its own. */
  readonly signalKeepsDeadline?: true;
}

/** Of all transports, since ids of calls are unique within the process. */
let calls = 0;

/** Makes calls: the innermost part of a transport, inside its interceptors. */
export class Caller {
  readonly #settings: TransportSettings;
  readonly #target: Target;
  readonly #backend: Backend;
  readonly #baseFields: Fields;

  constructor(settings: TransportSettings, target: Target, backend: Backend) {
    this.#settings = settings;
    this.#target = target;
    this.#backend = backend;
    this.#baseFields = createBaseFields(settings);
  }

  /** Throws ConnectError for what cannot be sent. */
  unary(method: DescMethodUnary, wish: CallWish, message: Message): Promise<UnaryResponse> {
    const encoded = encodeRequest(wish.plan, this.#settings, message);
    if (encoded instanceof Promise) {
      return encoded.then(({ flags, bytes }) => new UnaryCall(this.#partsOf(wish), method).run(flags, bytes));
    }
    return new UnaryCall(this.#partsOf(wish), method).run(encoded.flags, encoded.bytes);
  }

  /** Throws ConnectError for what cannot be sent. */
  stream(
    method: DescMethodStreaming,
    wish: CallWish,
    requests: AsyncIterable<MessageInitShape<DescMessage>>,
  ): Promise<StreamResponse> {
    return new StreamCall(this.#partsOf(wish), method).run(requests);
  }

  #partsOf(wish: CallWish): RpcCallParts {
    const { plan, signal, outer, deadlineMs } = wish;
    if (signal?.aborted === true) throw errorOfAbort(signal);
    const outerEnd = outer && errorOfOuter(outer);
    if (outerEnd !== undefined) throw outerEnd;
    const nowMs = this.#settings.clock.nowMs();
    const call = createCallContext(String(++calls), nowMs, '');
    call.dialect = 'grpc';
    call.method = plan.facts;
    call.policy = plan.policy;
    call.cluster = plan.facts.service;
    call.deadlineMs = deadlineMs;
    // Where each attempt says anew how much time is left, it need not be said here.
    const isSaid = deadlineMs === undefined || this.#backend.saysTimeout;
    const remainingMs = isSaid ? undefined : Math.max(0, deadlineMs - nowMs);
    return {
      settings: this.#settings,
      backend: this.#backend,
      plan,
      signal,
      outer,
      signalKeepsDeadline: wish.signalKeepsDeadline ?? false,
      head: {
        method: 'POST',
        path: wish.path ?? plan.path,
        authority: this.#target.authority,
        scheme: this.#target.scheme,
        fields: toRequestFields(this.#baseFields, wish.header, remainingMs),
        call,
      },
    };
  }
}
