import type { CallError, RequestHead } from '@bascule/core';

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

/** The head of a call in the inner dialect: always POST, without a query, and with the address it came from. */
export function toInnerHead(head: RequestHead, fields: string[]): RequestHead {
  const { authority, scheme, call } = head;
  if (call.peer !== '') fields.push('x-forwarded-for', call.peer);
  return { method: 'POST', path: pathOf(head.path), authority, scheme, fields, call };
}

/** The path without its query. */
export function pathOf(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}
