import type { CallContext, CallError, Fields, RequestHead } from '@bascule/core';

/** A request head translated to the inner dialect, and what the translation learned. */
export interface InnerRequest {
  readonly head: RequestHead;
  /** The caller's wish; undefined is none. */
  readonly timeoutMs: number | undefined;
  /** Whether an encoding other than identity is declared. */
  readonly compressible: boolean;
}

/** Tells a refusal from a translation. */
export function isRefusal(result: object): result is CallError {
  return 'processed' in result;
}

/** Adds the address that a call came from. */
export function withPeer(fields: string[], { peer }: CallContext): Fields {
  if (peer !== '') fields.push('x-forwarded-for', peer);
  return fields;
}

/** The head of a call in the inner dialect: always POST, and without a query. */
export function toInnerHead(head: RequestHead, fields: Fields): RequestHead {
  const { authority, scheme, call } = head;
  return { method: 'POST', path: pathOf(head.path), authority, scheme, fields, call };
}

/** The path without its query. */
export function pathOf(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}
