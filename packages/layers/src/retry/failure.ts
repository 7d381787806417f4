import {
  Code,
  getField,
  outcomeOfEnd,
  outcomeOfFail,
  type CallError,
  type Fields,
  type Outcome,
  type Processed,
  type ResponseHead,
} from '@bascule/core';

/** How an attempt failed. */
export interface Failure {
  readonly code: Code;
  /** Of a callee's own status: `maybe`. */
  readonly processed: Processed;
  /** Repeating cannot help. */
  readonly final: boolean;
  /** It took longer than one attempt may: worth another whatever the code. */
  readonly timedOut: boolean;
  readonly pushback: Pushback;
  readonly outcome: Outcome;
}

/** The callee's own wish: nothing said, no more attempts, or the next one after this time. */
export type Pushback = undefined | 'stop' | number;

/** The failure that a callee's status tells, wherever it stands; undefined when it is OK. */
export function failureOfEnd(head: ResponseHead | undefined, trailers: Fields): Failure | undefined {
  const outcome = outcomeOfEnd(head, trailers);
  const { code } = outcome;
  if (code === Code.ok) return undefined;
  return { code, processed: 'maybe', final: false, timedOut: false, pushback: pushbackOf(trailers), outcome };
}

/** The failure that our side of the wire made. */
export function failureOfError(error: CallError, timedOut = false): Failure {
  const { code, processed, final = false } = error;
  return { code, processed, final, timedOut, pushback: undefined, outcome: outcomeOfFail(error) };
}

const MAX_PUSHBACK_MS = 2_147_483_647;

/**
 * `grpc-retry-pushback-ms`: a signed 32-bit integer without needless zeros; one that is negative, or that is none, asks
 * not to retry. Source: gRFC A6, Pushback.
 */
function pushbackOf(trailers: Fields): Pushback {
  const value = getField(trailers, 'grpc-retry-pushback-ms');
  if (value === undefined) return undefined;
  const ms = /^(0|[1-9]\d{0,9})$/.test(value) ? Number(value) : -1;
  return ms >= 0 && ms <= MAX_PUSHBACK_MS ? ms : 'stop';
}
