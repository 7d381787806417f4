import { Code, ConnectError } from '@connectrpc/connect';

/**
 * What went wrong, as a ConnectError. Browsers say a lost or refused connection as a TypeError with words of their
 * own ("Failed to fetch", "Load failed", "NetworkError ..."), which Connect reads as `unknown`; a caller who wants to
 * try again later looks for `unavailable`.
 */
export function toConnectError(reason: unknown): ConnectError {
  const error = ConnectError.from(reason);
  const lost = error.code === Code.Unknown && error.cause instanceof TypeError;
  if (!lost) return error;
  const message = `the gateway cannot be reached, or the connection to it was lost (${error.rawMessage})`;
  return new ConnectError(message, Code.Unavailable, error.metadata, undefined, error.cause);
}
