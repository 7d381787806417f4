import { getAllFields, getField, type CachePolicy, type RequestHead } from '@bascule/core';

const LATIN1 = new TextDecoder('latin1');

/** Fields that say in which words the answer may come. */
const REPRESENTATION = ['content-type', 'grpc-encoding', 'grpc-accept-encoding'];

/**
 * Everything that the answer depends on, in one text: no two different calls have the same. The bytes of the request
 * are in it as they are, and not as a hash: whoever finds two requests of one hash could read what is another's.
 */
export function cacheKeyOf(head: RequestHead, policy: CachePolicy, request: readonly Uint8Array[]): string {
  const { call, fields } = head;
  let key = part(head.path) + part(head.authority) + part(call.cluster) + part(call.principal?.id);
  for (const name of REPRESENTATION) key += part(getField(fields, name));
  for (const name of policy.varyOn ?? []) {
    const values = getAllFields(fields, name.toLowerCase());
    key += `${values.length}/`;
    for (const value of values) key += part(value);
  }
  for (const piece of request) key += LATIN1.decode(piece);
  return key;
}

/** With its length, so that what ends one part cannot begin the next. */
function part(text: string | undefined): string {
  return text === undefined ? '-' : `${text.length}:${text}`;
}

/** Whether a call shows who it is for by something that nobody has checked for us. */
export function hasUnknownCredentials({ call, fields }: RequestHead): boolean {
  if (call.principal !== undefined) return false;
  if (call.peerCertificate !== undefined) return true;
  return getField(fields, 'authorization') !== undefined || getField(fields, 'cookie') !== undefined;
}
