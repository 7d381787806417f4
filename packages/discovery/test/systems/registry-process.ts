/**
 * A registry in a process of its own: `registry-process.ts PORT [ACCESS-FILE]`. Says where it listens as one line of
 * JSON, and ends with its standard input.
 */
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@bascule/core';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { loadAccess } from '../../src/registry/access/load-access.ts';
import { createRegistry } from '../../src/registry/registry.ts';

const [port = '0', file] = process.argv.slice(2);
const access = file === undefined ? undefined : loadAccess({ file, clock: systemClock });
const registry = createRegistry({ clock: systemClock, access });
const server = createServer({}, connectNodeAdapter({ routes: registry.routes }));
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
process.stdin.resume().on('end', () => process.exit());
