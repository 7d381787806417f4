/**
 * The law of a call.
 *
 * A call in flight is bytes moving two ways. Whoever starts a call is the caller, whoever answers is the callee.
 * The caller hands over a {@link RequestHead} and a {@link Reply}, and gets a {@link Body} back at once. From then on
 * the caller talks through Body, the callee through Reply. An HTTP/2 connection, a module worker and a set of Connect
 * handlers are Services; retry, deadline, observation and dialect translation are Layers.
 *
 * 1. **Order.** A Service never calls Reply before it has returned Body. Afterwards it may at any time, also inside
 *    `write` or `end`. `reply.head` comes at most once and before `reply.write`; a non-final (1xx) head is never sent.
 * 2. **One end.** Exactly one of `reply.end`, `reply.fail` and `body.cancel` is terminal, in each layer for itself:
 *    the first one seen wins, whatever comes later is dropped without a word. After a terminal event a layer calls
 *    nothing more in either direction, except that it releases what it holds.
 * 3. **Early answers.** `reply.end` before `body.end` is lawful and stops the upload: the caller writes no more.
 * 4. **Cancel.** After `body.cancel` the callee owes the release of leases and buffers, and no reply.
 * 5. **Statuses.** `reply.end` is the callee's own status, OK or not; without `reply.head` it is Trailers-Only.
 *    `reply.fail` is made on our side of the wire: connection lost, deadline over, refused. `outcome.ts` reads both.
 * 6. **Bytes are lent.** Bytes given to `write` belong to the receiver only until `write` returns, since readers reuse
 *    their buffers. Who keeps them, copies them. Who has written them does not change them during the call of `write`.
 * 7. **Credit.** Writing takes credit, counted in bytes, for each hop and direction on its own. Both directions start
 *    with {@link INITIAL_CREDIT_BYTES}. `body.grant(n)` lets the callee write n more reply bytes, `reply.grant(n)` lets
 *    the caller write n more request bytes. Writing beyond credit is a bug. A layer that must assemble a whole message
 *    grants by itself, up to the message limit. A layer that replays grants from its own buffer.
 * 8. **Same turn.** When `end` follows `write` in the same turn of the event loop, wires send both in one frame.
 * 9. **Fields** of a head are read-only once handed on; who changes them, copies them.
 *
 * The calls are plain synchronous functions: promises, streams and iterators per call cost more than the work itself.
 */
import type { CallContext } from './context.ts';
import type { CallError } from './errors.ts';
import type { Fields } from './fields.ts';

/** Starts a call. Must not throw: whatever goes wrong is told through `reply.fail`, on a later turn or inside Body. */
export type Service = (head: RequestHead, reply: Reply) => Body;

/** Makes a Service out of another. */
export type Layer = (next: Service) => Service;

/** Bytes either side may write in a direction before the first grant. Equals HTTP/2's default window (RFC 9113, 6.9.2). */
export const INITIAL_CREDIT_BYTES = 65_535;

/** HTTP-shaped, so that files, CORS answers and metrics pages are Services as well. */
export interface RequestHead {
  /** Upper-case HTTP method. */
  readonly method: string;
  /** Path with query, as on the wire; begins with "/". */
  readonly path: string;
  /** Host and port the caller asked for; may be empty. */
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly fields: Fields;
  /** The same object from listener to link: what layers learn about the call. */
  readonly call: CallContext;
}

export interface ResponseHead {
  /** Final HTTP status, 200 to 999. */
  readonly status: number;
  readonly fields: Fields;
}

/** Caller to callee. */
export interface Body {
  write(bytes: Uint8Array): void;
  end(): void;
  cancel(reason: Cancel): void;
  /** Room for `bytes` more reply bytes. */
  grant(bytes: number): void;
}

/** Callee to caller. */
export interface Reply {
  head(head: ResponseHead): void;
  write(bytes: Uint8Array): void;
  /** `trailers` are what HTTP calls trailers; in the inner dialect they hold `grpc-status`. */
  end(trailers: Fields): void;
  fail(error: CallError): void;
  /** Room for `bytes` more request bytes. */
  grant(bytes: number): void;
}

/** Why a caller gave up a call. */
export type Cancel = 'caller-gone' | 'deadline' | 'superseded' | 'shutdown' | 'protocol-error';

/** Puts layers around a service, outermost first: `compose([a, b], s)` is `a(b(s))`. */
export function compose(layers: readonly Layer[], service: Service): Service {
  return layers.reduceRight((next, layer) => layer(next), service);
}
