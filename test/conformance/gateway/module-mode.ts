/**
 * A module behind the gateway under test as a server: one ServerCompatRequest in, one ServerCompatResponse out. While
 * the suite runs, the module is swapped again and again: no case may notice.
 */
import { setTimeout } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { encodeMessage, readMessage } from '../framing.ts';
import { loadStubs } from '../load-stubs.ts';
import { startFront } from './front.ts';
import { createServiceModule } from './module.ts';

const stubs = await loadStubs();
const request = await readMessage(process.stdin, stubs.message('ServerCompatRequest'));
const { serverCreds, clientTlsCert, messageReceiveLimit } = request;
const front = await startFront(stubs, {
  codecs: ['proto', 'json'],
  maxMessageBytes: messageReceiveLimit,
  tls: serverCreds && { credentials: serverCreds, clientCa: clientTlsCert },
});
const module = await createServiceModule(front.gateway);
await module.deploy('1.0.0');
const response = create(stubs.message('ServerCompatResponse'), {
  host: '127.0.0.1',
  port: front.gateway.apiPort,
  pemCert: serverCreds?.cert ?? new Uint8Array(),
});
process.stdout.write(encodeMessage(stubs.message('ServerCompatResponse'), response));

let state: 'swapping' | 'stopping' = 'swapping';
const isSwapping = (): boolean => state === 'swapping';
const stopped = Promise.withResolvers<void>();
process.once('SIGTERM', () => {
  state = 'stopping';
  stopped.resolve();
});

for (let swap = 1; isSwapping(); swap++) {
  // A breath between two: the suite's own deadlines are short, and bundling takes a core.
  await Promise.race([setTimeout(500), stopped.promise]);
  // Who stops us may have stopped the command as well.
  await module.deploy(swap % 2 === 0 ? '1.0.0' : '2.0.0').catch((error: unknown) => {
    if (isSwapping()) throw error;
  });
}
await stopped.promise;
await front.close();
await module.close();
process.exit(0);
