import { callError, Code, type CallError } from '@bascule/core';
import type { AbuseKind } from '../listener/abuse.ts';

/** Error codes of RST_STREAM and GOAWAY. Source: RFC 9113, section 7. */
export const ErrorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

const ERROR_NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** Name of an error code for messages; unknown codes are shown as numbers. */
export function errorName(code: number): string {
  return ERROR_NAMES[code] ?? `error ${code}`;
}

/** The peer broke the protocol in a way that ends the connection. Thrown while reading, caught at the socket. */
export class ConnectionFault extends Error {
  readonly code: ErrorCode;
  /** What a listener counts it as. */
  readonly abuse: AbuseKind;

  constructor(code: ErrorCode, message: string, abuse: AbuseKind = 'protocol-error') {
    super(message);
    this.code = code;
    this.abuse = abuse;
  }
}

/**
 * What a call fails with when the peer resets its stream. `answered` tells whether response fields had come: a peer
 * that has answered has processed the call, whatever it says afterwards.
 * Source of the codes: grpc/doc/PROTOCOL-HTTP2.md, "Errors".
 */
export function callErrorOfReset(errorCode: number, answered: boolean): CallError {
  const message = `the backend reset the stream with ${errorName(errorCode)}`;
  switch (errorCode) {
    case ErrorCode.refusedStream:
      return callError(Code.unavailable, message, answered ? 'maybe' : 'refused');
    case ErrorCode.cancel:
      return callError(Code.canceled, message);
    case ErrorCode.enhanceYourCalm:
      return callError(Code.resourceExhausted, message);
    case ErrorCode.inadequateSecurity:
      return callError(Code.permissionDenied, message);
    default:
      return callError(Code.internal, message);
  }
}
