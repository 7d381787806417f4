import {
  createCallContext,
  type CallError,
  type Cancel,
  type CallContext,
  type Fields,
  type MethodFacts,
  type RequestHead,
} from '@bascule/core';

/**
 * What crosses a port: small tuples, several per message. The bytes of all `write` frames of a message lie one behind
 * the other in its one buffer, so a frame only says how many are its own.
 */
export type CallerFrame =
  | CallFrame
  | WriteFrame
  | readonly ['end', number]
  | readonly ['cancel', number, Cancel]
  | readonly ['grant', number, number]
  | readonly ['bye', 0];

export type CalleeFrame =
  | readonly ['head', number, number, Fields]
  | WriteFrame
  | readonly ['end', number, Fields]
  | readonly ['fail', number, CallError]
  | readonly ['grant', number, number]
  /** Work for a call goes on behind its end, which follows. */
  | readonly ['working', number]
  /** The work for a call has ended that was cancelled, or went on behind its end. */
  | readonly ['settled', number];

type WriteFrame = readonly ['write', id: number, length: number];
type CallFrame = readonly ['call', id: number, ...CallFacts];

/** One message: what one end gathered in one turn. */
export type Message<F> = readonly [frames: readonly F[], bytes: Uint8Array<ArrayBuffer> | undefined];

type CallFacts = readonly [
  method: string,
  path: string,
  authority: string,
  scheme: 'http' | 'https',
  fields: Fields,
  context: ContextFacts,
];

/** What the other side needs of a CallContext. Milliseconds left, since two threads' clocks start at different times. */
type ContextFacts = readonly [
  id: string,
  peer: string,
  dialect: CallContext['dialect'],
  leftMs: number | undefined,
  method: MethodFacts | undefined,
];

/** Makes a head ready to cross. */
export function toCallFrame(id: number, head: RequestHead, nowMs: number): CallerFrame {
  const { call } = head;
  const leftMs = call.deadlineMs === undefined ? undefined : call.deadlineMs - nowMs;
  const context: ContextFacts = [call.id, call.peer, call.dialect, leftMs, call.method];
  return ['call', id, head.method, head.path, head.authority, head.scheme, head.fields, context];
}

/** The head as the other side sees it, with a context of its own. */
export function fromCallFrame(frame: CallFrame, nowMs: number): RequestHead {
  const [, , method, path, authority, scheme, fields, [id, peer, dialect, leftMs, facts]] = frame;
  const call = createCallContext(id, nowMs, peer);
  call.dialect = dialect;
  call.method = facts;
  call.deadlineMs = leftMs === undefined ? undefined : nowMs + leftMs;
  return { method, path, authority, scheme, fields, call };
}

/** Gives each frame of a message with the bytes that are its own. */
export function readFrames<F extends CallerFrame | CalleeFrame>(
  [frames, bytes]: Message<F>,
  take: (frame: F, bytes: Uint8Array) => void,
): void {
  let offset = 0;
  for (const frame of frames) {
    if (frame[0] !== 'write' || bytes === undefined) {
      take(frame, NO_BYTES);
    } else {
      take(frame, bytes.subarray(offset, offset + frame[2]));
      offset += frame[2];
    }
  }
}

const NO_BYTES = new Uint8Array(0);
