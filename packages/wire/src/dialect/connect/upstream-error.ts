import { Code, codeFromName, encodeMessage } from '@bascule/core';
import { STATUS_FIELDS } from '../status-fields.ts';
import { MAX_STATUS_BYTES } from '../upstream-scanner.ts';
import { encodeStatusDetails } from './upstream-status-details.ts';
import type { ConnectDetail } from './status-details.ts';

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** Inner trailers of an error in Connect's JSON; undefined when it is none. `fallback` stands for a code that says nothing. */
export function toErrorTrailers(json: unknown, fallback: Code): string[] | undefined {
  if (!isObject(json)) return undefined;
  const code = (typeof json['code'] === 'string' ? codeFromName(json['code']) : undefined) ?? fallback;
  const message = typeof json['message'] === 'string' ? json['message'] : '';
  const trailers = ['grpc-status', String(code)];
  if (message !== '') trailers.push('grpc-message', encodeMessage(message));
  const details = toDetails(json['details']);
  if (details.length > 0) trailers.push('grpc-status-details-bin', encodeStatusDetails(code, message, details));
  return trailers;
}

/** Inner trailers of an EndStream message; undefined when it is none. Source: Connect protocol, EndStreamResponse. */
export function parseEndStream(bytes: Uint8Array): string[] | undefined {
  const json = parseJson(bytes);
  if (!isObject(json)) return undefined;
  const { error, metadata } = json;
  // A null error is none.
  const trailers = error === undefined || error === null ? ['grpc-status', '0'] : toErrorTrailers(error, Code.unknown);
  if (trailers === undefined) return undefined;
  return isObject(metadata) && !pushMetadata(trailers, metadata) ? undefined : trailers;
}

/** Undefined for what is not JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Whether a field may go on as a callee's own trailer. */
export function isTrailerName(name: string): boolean {
  return NAME.test(name) && !STATUS_FIELDS.has(name);
}

/** False where it is too much: a name of many values is said once in JSON, and with each of them in trailers. */
function pushMetadata(trailers: string[], metadata: Readonly<Record<string, unknown>>): boolean {
  let bytes = 0;
  for (const [key, values] of Object.entries(metadata)) {
    const name = key.toLowerCase();
    if (!isTrailerName(name) || !Array.isArray(values)) continue;
    for (const value of values as unknown[]) {
      const octets = typeof value === 'string' ? toOctets(value) : undefined;
      if (octets === undefined) continue;
      bytes += name.length + octets.length;
      if (bytes > MAX_STATUS_BYTES) return false;
      trailers.push(name, octets);
    }
  }
  return true;
}

/** A string of JSON as a field's value; undefined for what no field can hold. */
function toOctets(value: string): string | undefined {
  // eslint-disable-next-line no-control-regex -- these are the octets that would end a field
  if (/[\0\r\n]/.test(value)) return undefined;
  return /[^\0-\xff]/.test(value) ? Buffer.from(value, 'utf8').toString('latin1') : value;
}

/** Details without a type or a value cannot be said in `google.rpc.Status`; `debug` is for people alone. */
function toDetails(details: unknown): ConnectDetail[] {
  if (!Array.isArray(details)) return [];
  return (details as unknown[]).flatMap((detail) => {
    if (!isObject(detail)) return [];
    const { type, value } = detail;
    return typeof type === 'string' && type !== '' && typeof value === 'string' ? [{ type, value }] : [];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
