/** A program that makes one call, says what came of it, and does not close its transport. */
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createNodeTransport, processedOf } from '../../src/index.ts';
import { TestService } from './schema.ts';

const [url = '', version] = process.argv.slice(2);
const transport = createNodeTransport({
  // A server, or a source of many.
  ...(/^https?:/.test(url) ? { baseUrl: url } : { discovery: { sources: [url] } }),
  httpVersion: version === '1.1' ? '1.1' : '2',
  protocol: 'connect',
  connectWaitMs: 1_500,
});
try {
  const { value } = await createClient(TestService, transport).say({ value: 'answer' });
  process.stdout.write(`${value}\n`);
} catch (error) {
  process.stdout.write(`${Code[ConnectError.from(error).code]} ${processedOf(error)}\n`);
}
