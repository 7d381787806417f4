/** A registry in a process of its own. Says where it listens as one line of JSON, and ends with its standard input. */
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@bascule/core';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createRegistry } from '../../src/registry/registry.ts';

const registry = createRegistry({ clock: systemClock });
const server = createServer({}, connectNodeAdapter({ routes: registry.routes }));
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
process.stdin.resume().on('end', () => process.exit());
