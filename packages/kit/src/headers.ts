import type { Clock, Fields, RequestHead } from '@bascule/core';
import { getField } from '@bascule/core';

/** Fields as the Headers that Connect's handlers read. Throws on a name or value that HTTP does not allow. */
export function headersOf(fields: Fields): Headers {
  const headers = new Headers();
  for (let i = 0; i < fields.length; i += 2) headers.append(fields[i] as string, fields[i + 1] as string);
  return headers;
}

/** Headers as fields. Values of one name arrive joined by ", ", as Headers keep them; `set-cookie` stays apart. */
export function fieldsOf(headers: Headers | undefined): string[] {
  const fields: string[] = [];
  headers?.forEach((value, name) => fields.push(name, value));
  return fields;
}

/**
 * Tells Connect the deadline of the call, where the caller's own field does not stand any more: with it the handler's
 * context ends in time, and a handler that calls on hands it on.
 */
export function setDeadline(headers: Headers, head: RequestHead, clock: Clock): void {
  const { deadlineMs } = head.call;
  if (deadlineMs === undefined) return;
  const isGrpc = (getField(head.fields, 'content-type') ?? '').startsWith('application/grpc');
  const name = isGrpc ? 'grpc-timeout' : 'connect-timeout-ms';
  if (headers.has(name)) return;
  const leftMs = Math.max(0, Math.ceil(deadlineMs - clock.nowMs()));
  headers.set(name, isGrpc ? encodeGrpcTimeout(leftMs) : String(Math.min(leftMs, MAX_CONNECT_TIMEOUT_MS)));
}

/** Ten digits at most. Source: Connect protocol, Timeout. */
const MAX_CONNECT_TIMEOUT_MS = 9_999_999_999;

/** Eight digits at most, with the finest unit that holds them. Source: grpc PROTOCOL-HTTP2, Timeout. */
function encodeGrpcTimeout(timeoutMs: number): string {
  if (timeoutMs <= 99_999_999) return `${timeoutMs}m`;
  return `${Math.min(Math.ceil(timeoutMs / 1000), 99_999_999)}S`;
}
