import { Code, type CallError } from './errors.ts';
import { getField, type Fields } from './fields.ts';
import type { ResponseHead } from './service.ts';

/** How a call ended, wherever the status stood. */
export interface Outcome {
  readonly code: Code;
  /** Who made the status: the callee, our side of the wire, or the caller by cancelling. */
  readonly by: 'callee' | 'wire' | 'caller';
  readonly message: string;
}

export const OK_OUTCOME: Outcome = Object.freeze({ code: Code.ok, by: 'callee', message: '' });
export const CANCELED_OUTCOME: Outcome = Object.freeze({ code: Code.canceled, by: 'caller', message: '' });

/**
 * HTTP status to code, for answers that carry no gRPC status.
 * Source: grpc/doc/http-grpc-status-mapping.md, with 200 without a status as unknown.
 */
export function codeFromHttpStatus(status: number): Code {
  switch (status) {
    case 400:
      return Code.internal;
    case 401:
      return Code.unauthenticated;
    case 403:
      return Code.permissionDenied;
    case 404:
      return Code.unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code.unavailable;
    default:
      return Code.unknown;
  }
}

const HTTP_STATUSES: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

/** Code to HTTP status, for Connect's unary answers and for plain HTTP. Source: Connect protocol, Error Codes. */
export function httpStatusOf(code: Code): number {
  return HTTP_STATUSES[code] ?? 500;
}

/** Outcome of `reply.end`. `head` is undefined for Trailers-Only. */
export function outcomeOfEnd(head: ResponseHead | undefined, trailers: Fields): Outcome {
  const status = getField(trailers, 'grpc-status');
  if (status === '0') return OK_OUTCOME;
  if (status === undefined) {
    const code = codeFromHttpStatus(head?.status ?? 200);
    return { code, by: 'callee', message: 'the answer carries no grpc-status' };
  }
  return { code: parseCode(status), by: 'callee', message: decodeMessage(getField(trailers, 'grpc-message') ?? '') };
}

/** Outcome of `reply.fail`. */
export function outcomeOfFail(error: CallError): Outcome {
  return { code: error.code, by: 'wire', message: error.message };
}

/** A `grpc-status` value; anything but 0..16 is unknown. So is "00": what is not said as it should be is no success. */
export function parseCode(value: string): Code {
  const n = /^(0|[1-9]\d?)$/.test(value) ? Number(value) : Code.unknown;
  return n <= 16 ? (n as Code) : Code.unknown;
}

const ENCODER = new TextEncoder();

/**
 * Percent-encodes a `grpc-message`: everything but 0x20..0x7E without "%", and spaces at either end, which no field may
 * have there (RFC 9113, 8.2.1) and some peers cut off. Source: grpc PROTOCOL-HTTP2.
 */
export function encodeMessage(message: string): string {
  const hasOuterSpace = message.startsWith(' ') || message.endsWith(' ');
  if (!hasOuterSpace && /^[\x20-\x24\x26-\x7e]*$/.test(message)) return message;
  const bytes = ENCODER.encode(message);
  let out = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    const isOuterSpace = byte === 0x20 && (i === 0 || i === bytes.length - 1);
    out +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && !isOuterSpace
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** The reverse of {@link encodeMessage}; what does not decode is kept as it is, as the specification asks. */
export function decodeMessage(value: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** Trailers that say a failure in the inner dialect. */
export function trailersOf(error: CallError): string[] {
  const trailers = ['grpc-status', String(error.code)];
  if (error.message !== '') trailers.push('grpc-message', encodeMessage(error.message));
  if (error.details !== undefined) trailers.push('grpc-status-details-bin', encodeBase64(error.details));
  return trailers;
}

/** Base64 without padding, as gRPC emits `-bin` values. */
function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/=+$/, '');
}
