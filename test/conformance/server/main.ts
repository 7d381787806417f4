/**
 * The server kit under test: one ServerCompatRequest in, one ServerCompatResponse out, served until SIGTERM. Asked for
 * `treated`, its calls pass all layers that a server has.
 */
import { create } from '@bufbuild/protobuf';
import { serve, type ServeCalls } from '@bascule/server';
import { encodeMessage, readMessage } from '../framing.ts';
import { createRoutes } from '../service/routes.ts';
import { loadStubs } from '../load-stubs.ts';

const stubs = await loadStubs();
const request = await readMessage(process.stdin, stubs.message('ServerCompatRequest'));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const { serverCreds, clientTlsCert, messageReceiveLimit } = request;
/** Every layer, and none that a case of the suite would run into. */
const calls: ServeCalls = {
  policies: {
    '*': {
      maxTimeoutMs: 600_000,
      maxRequestBytes: 1_000_000_000,
      rateLimits: [{ perSecond: 1_000_000, key: { from: 'peer' } }],
      limits: { maxCalls: 10_000 },
      admission: { maxRefusedPercent: 0 },
      concurrency: { maxQueue: 10_000 },
      cache: {},
    },
  },
  identify: { verify: () => undefined },
};
const server = await serve({
  routes: createRoutes(stubs),
  ...(process.argv[2] === 'treated' ? { calls } : {}),
  ...(messageReceiveLimit > 0 ? { maxMessageBytes: messageReceiveLimit } : {}),
  ...(serverCreds === undefined
    ? {}
    : {
        tls: {
          cert: text(serverCreds.cert),
          key: text(serverCreds.key),
          ...(clientTlsCert.length > 0 ? { clientCa: text(clientTlsCert) } : {}),
        },
      }),
});
const response = create(stubs.message('ServerCompatResponse'), {
  host: '127.0.0.1',
  port: server.port,
  pemCert: serverCreds?.cert ?? new Uint8Array(),
});
process.stdout.write(encodeMessage(stubs.message('ServerCompatResponse'), response));
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
