import { Code, ConnectError } from '@connectrpc/connect';

/** The token of a value of `authorization`; undefined without one. Throws for another scheme, or several values. */
export function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization === '') return undefined;
  const token = /^Bearer +([^\s,]+) *$/i.exec(authorization)?.[1];
  if (token === undefined) throw unauthenticated('the field authorization must be one "Bearer <token>"');
  return token;
}

export function unauthenticated(message: string): ConnectError {
  return new ConnectError(message, Code.Unauthenticated);
}
