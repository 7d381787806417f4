import { createHash, timingSafeEqual } from 'node:crypto';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';

/**
 * Lets only calls in that carry `authorization: Bearer <token>`; all others end with `unauthenticated`. Give it to
 * {@link createKit} as an interceptor. An empty token is refused here, since it would let everybody in.
 */
export function createTokenInterceptor(token: string): Interceptor {
  if (token === '') throw new Error('an empty token lets everybody in: set one, or leave the interceptor out');
  const expected = digest(token);
  return (next) => async (request) => {
    const given = /^Bearer +(\S+) *$/i.exec(request.header.get('authorization') ?? '')?.[1];
    // Digests have one length, so that the time of the comparison tells nothing of the token.
    if (given === undefined || !timingSafeEqual(digest(given), expected)) {
      throw new ConnectError(
        given === undefined ? 'a token is needed: authorization: Bearer <token>' : 'the token is not the right one',
        Code.Unauthenticated,
      );
    }
    return next(request);
  };
}

/** The caller's side: puts `authorization: Bearer <token>` on every call of a transport. */
export function createBearerInterceptor(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
