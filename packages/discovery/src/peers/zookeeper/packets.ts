import { SessionExpired } from './errors.ts';
import type { JuteReader } from './jute-reader.ts';
import { JuteWriter } from './jute-writer.ts';
import type { Operation } from './operations.ts';

/** With what a session is found again, on whichever server. */
export interface SessionIdentity {
  readonly id: bigint;
  readonly password: Uint8Array;
  /** What the server has agreed to. Without a word for so long, the session ends. */
  readonly timeoutMs: number;
}

export interface WatchEvent {
  readonly type: 'created' | 'deleted' | 'data-changed' | 'children-changed';
  readonly path: string;
}

/** Before every answer. */
export interface ReplyHeader {
  /** Of the request, or one of {@link XID}. */
  readonly xid: number;
  /** The last change that the server has seen. */
  readonly zxid: bigint;
  /** 0 is success. */
  readonly code: number;
}

/** Ids of what is not answered in turn, and of what is not asked for. */
export const XID = { event: -1, ping: -2, auth: -4, setWatches: -8 } as const;

const TYPE = { ping: 11, auth: 100, setWatches: 101, closeSession: -11 } as const;
const EVENTS: Readonly<Record<number, WatchEvent['type']>> = {
  1: 'created',
  2: 'deleted',
  3: 'data-changed',
  4: 'children-changed',
};
const PASSWORD_BYTES = 16;

export const NO_SESSION: SessionIdentity = { id: 0n, password: new Uint8Array(PASSWORD_BYTES), timeoutMs: 0 };

/** Ends the session, with its ephemeral nodes. */
export const CLOSE_SESSION: Operation<void> = {
  type: TYPE.closeSession,
  path: '/',
  write: () => undefined,
  read: () => undefined,
};

/** The first word on a connection: which session, and how far it has seen. */
export function encodeGreeting(identity: SessionIdentity, lastZxid: bigint, timeoutMs: number): Uint8Array {
  const writer = new JuteWriter().int(0).long(lastZxid).int(timeoutMs).long(identity.id).buffer(identity.password);
  // Not a server that has lost the others: it tells old things, and takes no registration.
  return writer.bool(false).toFrame();
}

/** Throws SessionExpired. */
export function decodeGreeting(reader: JuteReader): SessionIdentity {
  reader.int();
  const timeoutMs = reader.int();
  const id = reader.long();
  const password = reader.buffer();
  if (timeoutMs <= 0 || id === 0n) throw new SessionExpired('the session of ZooKeeper has expired');
  return { id, password, timeoutMs };
}

export function encodePing(): Uint8Array {
  return new JuteWriter().int(XID.ping).int(TYPE.ping).toFrame();
}

/** `digest` is `user:password`. */
export function encodeAuth(digest: string): Uint8Array {
  const writer = new JuteWriter().int(XID.auth).int(TYPE.auth).int(0);
  return writer.string('digest').buffer(Buffer.from(digest)).toFrame();
}

export function encodeRequest(xid: number, operation: Operation<unknown>): Uint8Array {
  const writer = new JuteWriter().int(xid).int(operation.type);
  operation.write(writer);
  return writer.toFrame();
}

/** Watches are set again with an id of their own; all else counts up. */
export function hasOwnXid(operation: Operation<unknown>): boolean {
  return operation.type === TYPE.setWatches;
}

export function decodeReplyHeader(reader: JuteReader): ReplyHeader {
  return { xid: reader.int(), zxid: reader.long(), code: reader.int() };
}

/** Undefined for what later versions may tell of. */
export function decodeEvent(reader: JuteReader): WatchEvent | undefined {
  const type = EVENTS[reader.int()];
  // The state of the session, which the connection itself tells.
  reader.int();
  const path = reader.string();
  return type && { type, path };
}
