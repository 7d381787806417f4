/**
 * One `places` process of the demo:
 *
 *     node apps/backend/src/main.ts --instance-id places-4 --registry http://127.0.0.1:7070 --token-file .bascule/token
 *
 * Writes one line of JSON to standard output when it takes calls.
 */
import { readFile } from 'node:fs/promises';
import { serve, type Server } from '@bascule/server';
import { parseArguments, type Arguments } from './arguments.ts';
import { loadPlaces } from './places/places.ts';
import { createPlacesRoutes } from './places/routes.ts';
import { waitForStop } from './stop-request.ts';

async function main(): Promise<void> {
  const options = parseArguments(process.argv.slice(2), process.env);
  const stopped = waitForStop(options.exitWithStdin);
  const server = await start(options);
  await Promise.race([server.registered, stopped]);
  process.stdout.write(`${JSON.stringify({ event: 'ready', endpoint: server.endpoint, port: server.port })}\n`);
  await stopped;
  await server.close();
}

async function start(options: Arguments): Promise<Server> {
  const { host, port, registry, tokenFile, instanceId } = options;
  const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
  return serve({
    routes: createPlacesRoutes(loadPlaces()),
    host,
    port,
    // Streams of places end by themselves; whoever follows a route is cut.
    drainTimeoutMs: 5000,
    ...(registry === undefined ? {} : { registry: { url: registry, ...(token === undefined ? {} : { token }) } }),
    ...(instanceId === undefined ? {} : { instanceId }),
  });
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`places: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
