import { decodeMessage, getField, parseCode, type CallError, type Fields, type Processed } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import { appendFields } from './response-headers.ts';
import { parseStatus, type StatusDetails } from './status-details.ts';

/** Why {@link processedOf} can tell: set as the cause of errors made on our side of the wire. */
class WireFailure extends Error {
  readonly processed: Processed;

  constructor(error: CallError) {
    super(error.message);
    this.processed = error.processed;
  }
}

/**
 * How far the server can have got with a call that failed on our side of the wire: `never-sent` and `refused` are safe
 * to repeat. Undefined for everything else, as for errors that the server itself sent.
 */
export function processedOf(error: unknown): Processed | undefined {
  const { cause } = (error ?? {}) as { cause?: unknown };
  return cause instanceof WireFailure ? cause.processed : undefined;
}

/** An error for a caller from a failure on our side of the wire. */
export function errorOfWire(error: CallError, headFields: Fields): ConnectError {
  const metadata = new Headers();
  appendFields(metadata, headFields);
  const made = new ConnectError(error.message, toCode(error.code), metadata, undefined, new WireFailure(error));
  if (error.details !== undefined) attach(made, parseStatus(error.details));
  return made;
}

/** The error that trailers say, with all that the server sent as its metadata; undefined when they say that all went well. */
export function errorOfTrailers(trailers: Fields, headFields: Fields): ConnectError | undefined {
  const status = getField(trailers, 'grpc-status');
  if (status === '0') return undefined;
  const metadata = new Headers();
  appendFields(metadata, headFields);
  appendFields(metadata, trailers);
  if (status === undefined)
    return new ConnectError('the server ended the call without a status', Code.Unknown, metadata);
  const message = decodeMessage(getField(trailers, 'grpc-message') ?? '');
  const bytes = getField(trailers, 'grpc-status-details-bin');
  const details = bytes === undefined ? undefined : parseStatus(Buffer.from(bytes, 'base64'));
  const code = toCode(parseCode(status));
  const error = new ConnectError(details?.message || message, code, metadata);
  // Marks it so that a handler which throws it on does not hand on its metadata as its own.
  error.isWireError = true;
  attach(error, details);
  return error;
}

export function deadlineError(): ConnectError {
  return new ConnectError('the operation timed out', Code.DeadlineExceeded);
}

/** What an aborted signal means for a call. */
export function errorOfAbort(signal: AbortSignal | undefined): ConnectError {
  return ConnectError.from(signal?.reason, Code.Canceled);
}

/**
 * What the end of the outer call means for one made inside of it: undefined when its handler ended it, since what a
 * handler leaves running is its own affair.
 */
export function errorOfOuter(outer: AbortSignal): ConnectError | undefined {
  if (!outer.aborted || !(outer.reason instanceof ConnectError)) return undefined;
  const { code } = outer.reason;
  if (code === Code.DeadlineExceeded) return deadlineError();
  return code === Code.Canceled
    ? new ConnectError('the call that this one was made for was canceled', code)
    : undefined;
}

/** By number, which is the same in core and in Connect; "ok" is no code of an error. */
const CODES = new Map(
  Object.values(Code).flatMap((code) => (typeof code === 'number' ? [[code as number, code]] : [])),
);

function toCode(code: number): Code {
  return CODES.get(code) ?? Code.Unknown;
}

function attach(error: ConnectError, status: StatusDetails | undefined): void {
  if (status !== undefined) error.details = status.details;
}
