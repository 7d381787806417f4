import type { Clock } from '@bascule/core';
import type { Interceptor } from '@connectrpc/connect';
import type { NodeTransport } from './options.ts';
import { createNodeTransport } from './transport.ts';

/** What a server may ask for. TLS material is PEM. */
export interface DialCredentials {
  /** Sent as `authorization: Bearer <token>`. */
  readonly token?: string;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Opens ways to gRPC servers by URL: what discovery asks for. Nothing is connected before the first call. */
export function createDial(clock: Clock): (baseUrl: string, credentials: DialCredentials) => NodeTransport {
  return (baseUrl, { token, tls }) =>
    createNodeTransport({
      baseUrl,
      clock,
      interceptors: token === undefined ? [] : [createBearerInterceptor(token)],
      ...(tls !== undefined && { tls }),
      // Discovery waits by itself, longer and longer; and a start must hear at once that nobody is there.
      connectWaitMs: 0,
      // Whoever began it, even a handler: a watch must not end with the first call that made it necessary.
      inheritDeadline: false,
    });
}

/** Puts `authorization: Bearer <token>` on every call of a transport. */
export function createBearerInterceptor(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
}
