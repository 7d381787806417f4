import { httpStatusOf, type CallError } from '@bascule/core';

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
  const status = httpStatusOf(error.code);
  return { status: status < 400 ? 500 : status, text: `${error.message}\n` };
}
