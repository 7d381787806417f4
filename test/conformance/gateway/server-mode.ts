/**
 * The gateway under test as a server: `node server-mode.ts UPSTREAM [proto]`. One ServerCompatRequest in, one
 * ServerCompatResponse out; a backend that speaks UPSTREAM answers behind the gateway. With "proto" the gateway is told
 * that it reads no JSON, and transcodes.
 */
import { create } from '@bufbuild/protobuf';
import { encodeMessage, readMessage } from '../framing.ts';
import { loadStubs } from '../load-stubs.ts';
import { parseUpstream } from '../upstreams.ts';
import { startBackend } from './backend.ts';
import { startFront } from './front.ts';

const upstream = parseUpstream(process.argv[2]);
const codecs = process.argv[3] === 'proto' ? (['proto'] as const) : (['proto', 'json'] as const);
const stubs = await loadStubs();
const request = await readMessage(process.stdin, stubs.message('ServerCompatRequest'));
const { serverCreds, clientTlsCert, messageReceiveLimit } = request;
// Both hold the limit: the gateway on bytes as they come, the backend on what they decompress to, which passes the
// gateway as it is.
const backend = await startBackend(stubs, { upstream, messageReceiveLimit });
const front = await startFront(stubs, {
  backend: { ...backend, upstream },
  codecs,
  maxMessageBytes: messageReceiveLimit,
  tls: serverCreds && { credentials: serverCreds, clientCa: clientTlsCert },
});
const response = create(stubs.message('ServerCompatResponse'), {
  host: '127.0.0.1',
  port: front.gateway.apiPort,
  pemCert: serverCreds?.cert ?? new Uint8Array(),
});
process.stdout.write(encodeMessage(stubs.message('ServerCompatResponse'), response));
process.once('SIGTERM', () => {
  void Promise.all([front.close(), backend.close()]).then(() => process.exit(0));
});
