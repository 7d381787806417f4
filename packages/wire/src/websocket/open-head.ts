import { callError, Code, type CallContext, type CallError, type Fields, type RequestHead } from '@bascule/core';
import { isSendable } from '../listener/fields.ts';
import type { ListenLimits } from '../listener/limits.ts';
import type { OpenFrame } from './frame-reader.ts';
import { CODECS } from './frames.ts';

/** What the handshake said, for every call of its socket. */
export interface SocketFacts {
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly peer: string;
  readonly httpVersion: CallContext['httpVersion'];
  /** Fields of the handshake that stand in every call: who the browser says it is. */
  readonly fields: Fields;
}

/** A browser says these once, in the handshake, and no page can forge them; so a frame may not say them either. */
export const SOCKET_FIELDS: ReadonlySet<string> = new Set(['cookie', 'origin', 'user-agent']);

/** Visible octets only: a path goes into heads and logs. */
const PATH = /^\/[\x21-\x7e]*$/;

/** `grpc-timeout` has eight digits. */
const MAX_TIMEOUT_MS = 99_999_999;

/** The gRPC request that OPEN stands for, or why it is none. */
export function toRequestHead(
  open: OpenFrame,
  context: CallContext,
  { facts, limits }: { readonly facts: SocketFacts; readonly limits: ListenLimits },
): RequestHead | CallError {
  if (open.pairs > limits.maxHeaderPairs) {
    return refuse(Code.resourceExhausted, `more than ${limits.maxHeaderPairs} fields; send fewer`);
  }
  if (open.bytes > limits.maxHeaderBytes) {
    return refuse(Code.resourceExhausted, `the fields take more than ${limits.maxHeaderBytes} bytes; send fewer`);
  }
  const contentType = CODECS[open.codec];
  if (contentType === undefined) {
    return refuse(Code.unimplemented, `codec ${open.codec} is not known; send 0 for proto or 1 for json`);
  }
  if (!PATH.test(open.path)) return refuse(Code.unimplemented, 'the path is not /package.Service/Method');
  const fields = ['content-type', contentType, 'te', 'trailers'];
  if (open.timeoutMs > 0) fields.push('grpc-timeout', `${Math.min(open.timeoutMs, MAX_TIMEOUT_MS)}m`);
  for (let i = 0; i < open.fields.length; i += 2) {
    const name = open.fields[i] as string;
    const value = open.fields[i + 1] as string;
    if (!isSendable(name, value) || name !== name.toLowerCase()) {
      return refuse(Code.invalidArgument, `field ${i / 2 + 1} is not a lower-case name and a value of visible octets`);
    }
    if (!OURS.has(name)) fields.push(name, value);
  }
  for (const text of facts.fields) fields.push(text);
  const { authority, scheme } = facts;
  return { method: 'POST', path: open.path, authority, scheme, fields, call: context };
}

/** Said by OPEN itself, or by the handshake. */
const OURS: ReadonlySet<string> = new Set([...SOCKET_FIELDS, 'content-type', 'te', 'grpc-timeout']);

function refuse(code: CallError['code'], message: string): CallError {
  return callError(code, message, 'never-sent');
}
