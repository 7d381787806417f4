import { serve } from '@bascule/server';
import { createEchoRoutes } from './echo-handlers.ts';
import type { ServeEcho } from './echo-process.ts';

export const serveEcho: ServeEcho = async (counts) => (await serve({ routes: createEchoRoutes(counts) })).port;
