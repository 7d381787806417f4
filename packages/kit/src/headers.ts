import type { Fields, RequestHead } from '@bascule/core';

/** Fields as Headers. Throws on a name or value that HTTP does not allow: no listener of ours lets one in. */
export function headersOf(fields: Fields): Headers {
  const headers = new Headers();
  for (let i = 0; i < fields.length; i += 2) headers.append(fields[i] as string, fields[i + 1] as string);
  return headers;
}

/** What a caller sent, with the host that HTTP/1.1 says as a field. */
export function requestHeadersOf({ fields, authority, call }: RequestHead): Headers {
  const headers = headersOf(fields);
  if (call.httpVersion.startsWith('1.') && authority !== '') headers.set('host', authority);
  return headers;
}

/** The address that was called, as connect-node writes it. */
export function urlOf({ scheme, authority, path }: RequestHead): string {
  // A made-up authority must not be able to break the parsing of a GET's query.
  const host = /^[\w.:[\]-]+$/.test(authority) ? authority : 'localhost';
  return new URL(`${scheme}://${host}${path}`).toString();
}
