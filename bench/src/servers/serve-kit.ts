import { systemClock } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { listen } from '@bascule/wire';
import { createEchoRoutes } from './echo-handlers.ts';
import type { ServeEcho } from './echo-process.ts';

/** Listener and kit in one thread. */
export const serveEcho: ServeEcho = async (counts) => {
  const { service } = createKit({ routes: createEchoRoutes(counts) });
  return (await listen({ host: '127.0.0.1', port: 0, service, clock: systemClock })).port;
};
