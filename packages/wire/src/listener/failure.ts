import { Code, type CallError } from '@bascule/core';

/** HTTP status by code, for callers that no dialect speaks to. Source: Connect protocol, "Error codes". */
const STATUS_BY_CODE: Readonly<Record<Code, number>> = {
  [Code.ok]: 200,
  [Code.canceled]: 499,
  [Code.unknown]: 500,
  [Code.invalidArgument]: 400,
  [Code.deadlineExceeded]: 504,
  [Code.notFound]: 404,
  [Code.alreadyExists]: 409,
  [Code.permissionDenied]: 403,
  [Code.resourceExhausted]: 429,
  [Code.failedPrecondition]: 400,
  [Code.aborted]: 409,
  [Code.outOfRange]: 400,
  [Code.unimplemented]: 501,
  [Code.internal]: 500,
  [Code.unavailable]: 503,
  [Code.dataLoss]: 500,
  [Code.unauthenticated]: 401,
};

/** A whole answer made by the listener itself. */
export interface PlainAnswer {
  readonly status: number;
  readonly text: string;
}

export const BROKEN_SERVICE: PlainAnswer = Object.freeze({
  status: 500,
  text: 'The service failed to take the call.\n',
});
export const BROKEN_HEAD: PlainAnswer = Object.freeze({
  status: 502,
  text: 'The upstream answered with a head that is not HTTP.\n',
});

/** A failure as plain HTTP, for what no dialect layer answered. `ok` cannot fail, so it reads as 500. */
export function toPlainAnswer(error: CallError): PlainAnswer {
  const status = STATUS_BY_CODE[error.code];
  return { status: status === undefined || status < 400 ? 500 : status, text: `${error.message}\n` };
}
