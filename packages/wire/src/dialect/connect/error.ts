import { Code, codeName, decodeMessage, getField, parseCode, type Fields } from '@bascule/core';
import { decodeStatusDetails, type ConnectDetail } from './status-details.ts';

/** An error as Connect says it in JSON. */
interface ConnectErrorJson {
  readonly code: string;
  readonly message?: string;
  readonly details?: readonly ConnectDetail[];
}

/** A status from inner trailers. */
export interface Status {
  readonly code: Code;
  /** Undefined for OK. */
  readonly error: ConnectErrorJson | undefined;
}

/** HTTP status of each code for unary answers. Source: Connect protocol, Error Codes. */
const HTTP_STATUSES: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

/** HTTP status of a unary answer. */
export function httpStatusOf(code: Code): number {
  return HTTP_STATUSES[code] ?? 500;
}

/** Reads the status of inner trailers. */
export function statusOf(trailers: Fields): Status {
  const status = getField(trailers, 'grpc-status');
  if (status === '0') return { code: Code.ok, error: undefined };
  const code = status === undefined ? Code.unknown : parseCode(status) || Code.unknown;
  const value = getField(trailers, 'grpc-status-details-bin');
  const more = value === undefined ? undefined : decodeStatusDetails(value);
  const message = decodeMessage(getField(trailers, 'grpc-message') ?? '') || (more?.message ?? '');
  return {
    code,
    error: {
      code: codeName(code),
      ...(message === '' ? {} : { message }),
      ...(more === undefined || more.details.length === 0 ? {} : { details: more.details }),
    },
  };
}

/** Whether a trailer says the status, which Connect says elsewhere, and not the callee's metadata. */
export function isStatusField(name: string): boolean {
  return name === 'grpc-status' || name === 'grpc-message' || name === 'grpc-status-details-bin';
}
