import { callError, Code, type CallError } from '@bascule/core';
import type { FrameFault } from './frame-scanner.ts';

/** What a caller is told whose request's messages are broken. `maxBytes` is the limit it may have passed. */
export function requestFault(fault: FrameFault, maxBytes: number): CallError {
  switch (fault) {
    case 'too-large':
      return callError(
        Code.resourceExhausted,
        `the request message is larger than ${maxBytes} bytes; send smaller messages or raise the limit`,
      );
    case 'not-compressible':
      return callError(
        Code.internal,
        'the request message is marked as compressed, but no encoding is declared; send the encoding field',
      );
    case 'bad-flags':
      return callError(
        Code.internal,
        'the request holds bytes that are no message prefix; send messages as one byte of flags, four of length, and the message',
      );
    default:
      return fault satisfies never;
  }
}

/** Why a stream of messages is refused whose body is encoded as a whole: its messages could not be told apart. */
export function bodyEncodingFault(encoding: string | undefined): CallError | undefined {
  if (encoding === undefined || encoding === '' || encoding === 'identity') return undefined;
  return callError(Code.unimplemented, 'content-encoding is not taken here; compress each message instead');
}

/** What a caller is told when the answer's messages are broken. */
export function responseFault(fault: FrameFault, maxBytes: number): CallError {
  if (fault === 'too-large') {
    return callError(
      Code.resourceExhausted,
      `the response message is larger than ${maxBytes} bytes; ask for less or raise the limit`,
    );
  }
  return callError(Code.internal, 'the service answered with bytes that are no message');
}

export const TRUNCATED_RESPONSE: CallError = callError(
  Code.internal,
  'the service ended its answer in the middle of a message',
);
