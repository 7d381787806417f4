/** The server kit under test: one ServerCompatRequest in, one ServerCompatResponse out, served until SIGTERM. */
import { create } from '@bufbuild/protobuf';
import { serve } from '@bascule/server';
import { encodeMessage, readMessage } from '../framing.ts';
import { createRoutes } from '../service/routes.ts';
import { loadStubs } from '../load-stubs.ts';

const stubs = await loadStubs();
const request = await readMessage(process.stdin, stubs.message('ServerCompatRequest'));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const { serverCreds, clientTlsCert, messageReceiveLimit } = request;
const server = await serve({
  routes: createRoutes(stubs),
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
