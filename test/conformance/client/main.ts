/** The client transport under test: ClientCompatRequests in, a ClientCompatResponse out for each, until the input ends. */
import { fromBinary } from '@bufbuild/protobuf';
import { answerEach } from '../answering.ts';
import { encodeMessage } from '../framing.ts';
import { loadStubs } from '../load-stubs.ts';
import { createCaller } from './caller.ts';
import { createTransports } from './transports.ts';

const stubs = await loadStubs();
const transports = createTransports(stubs.registry);
const call = createCaller(stubs, transports);
const requestSchema = stubs.message('ClientCompatRequest');
const responseSchema = stubs.message('ClientCompatResponse');

async function answer(bytes: Uint8Array): Promise<void> {
  const response = await call(fromBinary(requestSchema, bytes));
  process.stdout.write(encodeMessage(responseSchema, response));
}

/** The suite asks for all calls at once, and some of them are to be cancelled within milliseconds. */
const MAX_RUNNING = 16;

await answerEach(MAX_RUNNING, answer);
await transports.close();
