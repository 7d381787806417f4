import { createHash, timingSafeEqual } from 'node:crypto';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';

/**
 * Lets only calls in that carry `authorization: Bearer <token>`; all others end with `unauthenticated`. Give it to
 * {@link createKit} as an interceptor. An empty token is refused here, since it would let everybody in.
 */
export function createTokenInterceptor(token: string): Interceptor {
  const judge = createTokenJudge(token);
  return (next) => async (request) => {
    const fault = judge(request.header.get('authorization') ?? '');
    if (fault !== undefined) throw new ConnectError(fault, Code.Unauthenticated);
    return next(request);
  };
}

/** Says what is wrong with the value of `authorization`; undefined where it carries the token. */
export function createTokenJudge(token: string): (authorization: string) => string | undefined {
  if (token === '') throw new Error('an empty token lets everybody in: set one, or leave the check out');
  const expected = digest(token);
  return (authorization) => {
    const given = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (given === undefined) return 'a token is needed: authorization: Bearer <token>';
    // Digests have one length, so that the time of the comparison tells nothing of the token.
    return timingSafeEqual(digest(given), expected) ? undefined : 'the token is not the right one';
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
