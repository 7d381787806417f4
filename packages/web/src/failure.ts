import { Code, ConnectError } from '@connectrpc/connect';

/** What connect-web says of an answer that stops inside a message, under the code for what a caller did wrong. */
const INCOMPLETE = 'protocol error: incomplete envelope';

/**
 * What went wrong, as a ConnectError. Browsers say a lost or refused connection as a TypeError with words of their
 * own ("Failed to fetch", "Load failed", "NetworkError ..."), which Connect reads as `unknown`; a caller who wants to
 * try again later looks for `unavailable`. An answer that stops inside a message is `internal`: nothing was wrong with
 * the call.
 */
export function toConnectError(reason: unknown): ConnectError {
  const error = ConnectError.from(reason);
  if (error.code === Code.InvalidArgument && error.rawMessage === INCOMPLETE) {
    const message = 'the answer stops inside a message';
    return new ConnectError(message, Code.Internal, error.metadata, undefined, error);
  }
  const lost = error.code === Code.Unknown && error.cause instanceof TypeError;
  if (!lost) return error;
  const message = `the gateway cannot be reached, or the connection to it was lost (${error.rawMessage})`;
  return new ConnectError(message, Code.Unavailable, error.metadata, undefined, error.cause);
}
