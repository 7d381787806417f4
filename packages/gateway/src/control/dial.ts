import { createNodeTransport } from '@bascule/client';
import type { Clock } from '@bascule/core';
import type { ClosableTransport, Credentials } from '@bascule/discovery';
import { createBearerInterceptor } from '@bascule/kit';

/** How sources reach systems that speak gRPC: over our own links. */
export function createDial(clock: Clock): (baseUrl: string, credentials: Credentials) => ClosableTransport {
  return (baseUrl, { token, tls }) =>
    createNodeTransport({
      baseUrl,
      clock,
      interceptors: token === undefined ? [] : [createBearerInterceptor(token)],
      ...(tls !== undefined && { tls }),
      // Sources wait by themselves, longer and longer; and a start must hear at once that nobody is there.
      connectWaitMs: 0,
    });
}
