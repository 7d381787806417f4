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
