import { Code, ConnectError } from '@connectrpc/connect';

/** Whether a call ended because the page itself did not want it any more. */
export function isCanceled(reason: unknown): boolean {
  return ConnectError.from(reason).code === Code.Canceled;
}

/** What to tell of a failed call. */
export function toMessage(reason: unknown): string {
  const error = ConnectError.from(reason);
  return `${(Code[error.code] ?? 'Unknown').toLowerCase()}: ${error.rawMessage}`;
}
