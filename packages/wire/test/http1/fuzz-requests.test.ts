import { connect } from 'node:net';
import { once } from 'node:events';
import * as fc from 'fast-check';
import { systemClock } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createDialectLayer } from '../../src/dialect/layer.ts';
import { answering, connectRaw, naming, startListener } from '../listener/support.ts';

const octets = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const word = fc.stringMatching(/^[\x21-\x7e]{0,12}$/);
const method = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('GET', 'POST', 'OPTIONS', 'HEAD', 'PUT') },
  fc.constantFrom('CONNECT', 'PRI', 'TRACE', 'get', ''),
  word,
);
const target = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('/', '/a.v1.B/C', '/a.v1.B/C?connect=v1&encoding=json&message=%7B%7D', '/x?y#z'),
  },
  fc.constantFrom('*', 'http://a/x', 'http://b/', 'a:443', '//', '/%00', 'http://a@b/'),
  word,
);
const fieldLine = fc.oneof(
  fc.constantFrom(
    'content-type: application/grpc',
    'content-type: application/grpc-web-text',
    'content-type: application/json',
    'content-type: application/connect+json',
    'connection: close',
    'connection: keep-alive, x-a',
    'connection: upgrade',
    'upgrade: h2c',
    'upgrade: websocket',
    'expect: 100-continue',
    'expect: y',
    'te: trailers',
    'trailer: x',
    'host: b',
    'connect-timeout-ms: 5',
    'grpc-timeout: 1S',
    'content-encoding: gzip',
  ),
  fc.tuple(word, octets).map(([name, value]) => `${name}: ${value}`),
);
/** A body, and the fields that say where it ends: mostly the truth. */
const body = fc.oneof(
  { weight: 4, arbitrary: fc.constant(['', '']) },
  { weight: 4, arbitrary: octets.map((text) => [`content-length: ${text.length}`, text]) },
  {
    weight: 4,
    arbitrary: fc
      .array(octets, { maxLength: 4 })
      .map((list) => list.filter((text) => text !== '').map((text) => `${text.length.toString(16)}\r\n${text}\r\n`))
      .map((chunks) => ['transfer-encoding: chunked', `${chunks.join('')}0\r\n\r\n`]),
  },
  octets.map((text) => ['transfer-encoding: chunked', text]),
  fc.tuple(fc.nat(40), octets).map(([length, text]) => [`content-length: ${length}`, text]),
  fc.constantFrom(['content-length: 1\r\ncontent-length: 2', 'a'], ['content-length: +1', 'a']),
);
const request = fc
  .tuple(
    method,
    target,
    fc.constantFrom('1.1', '1.1', '1.1', '1.0', '2.0', '9'),
    fc.array(fieldLine, { maxLength: 4 }),
    body,
  )
  .map(([verb, path, version, lines, [framing = '', content = '']]) => {
    const head = ['host: a', ...lines, framing].filter((line) => line !== '');
    return `${verb} ${path} HTTP/${version}\r\n${head.join('\r\n')}\r\n\r\n${content}`;
  });
const change = fc.record({
  at: fc.nat(),
  remove: fc.nat(6),
  insert: fc.oneof(octets, fc.constantFrom('\r\n', '\n', '\r', ':', '\0', ' ')),
});
const conversation = fc.record({
  requests: fc.array(request, { minLength: 1, maxLength: 4 }),
  changes: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(change, { maxLength: 3 })),
  cuts: fc.array(fc.nat(600), { maxLength: 4 }),
  ending: fc.constantFrom('end', 'end', 'end', 'destroy'),
});
type Conversation = typeof conversation extends fc.Arbitrary<infer T> ? T : never;

function toBytes({ requests, changes }: Conversation): Buffer {
  let text = requests.join('');
  for (const { at, remove, insert } of changes) {
    const from = at % (text.length + 1);
    text = text.slice(0, from) + insert + text.slice(from + remove);
  }
  return Buffer.from(text, 'latin1');
}

/** All that was answered until the listener closed. */
async function talk(port: number, given: Conversation): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => void (text += chunk));
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  const bytes = toBytes(given);
  const points = [...given.cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let at = 0;
  for (const point of points) {
    await new Promise<void>((resolve) => void socket.write(bytes.subarray(at, point), () => resolve()));
    at = point;
  }
  if (given.ending === 'destroy') socket.destroy();
  else socket.end();
  await closed;
  return text;
}

/** Splits answers by their own framing: each begins where the one before has ended. */
function statusesOf(text: string): number[] {
  const statuses: number[] = [];
  let rest = text;
  while (rest !== '') {
    const head = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(rest);
    if (head === null) throw new Error(`no head: ${JSON.stringify(rest.slice(0, 100))}`);
    const status = Number(head[1]);
    statuses.push(status);
    rest = rest.slice(head[0].length);
    if (status === 100) continue;
    const length = /^content-length: (\d+)\r$/im.exec(head[2] ?? '')?.[1];
    if (/^transfer-encoding: chunked\r$/im.test(head[2] ?? '')) rest = skipChunks(rest);
    else if (length !== undefined) rest = rest.slice(Number(length));
    else if (/^connection: close\r$/im.test(head[2] ?? '')) rest = '';
  }
  return statuses;
}

function skipChunks(text: string): string {
  let rest = text;
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/.exec(rest);
    // An answer that breaks off.
    if (size === null) return '';
    const bytes = Number.parseInt(size[1] ?? '0', 16);
    rest = rest.slice(size[0].length);
    if (bytes === 0) return rest.replace(/^(?:[^\r\n]+\r\n)*\r\n/, '');
    rest = rest.slice(bytes + 2);
  }
}

/** So that each way through is taken, whatever the seed. */
const EXAMPLES = [
  'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  'POST /a.v1.B/C HTTP/1.1\r\nhost: a\r\n\r\n',
].map((text): [Conversation] => [{ requests: [text], changes: [], cuts: [], ending: 'end' }]);

it('answers or closes whatever a client sends, and serves the next', { timeout: fuzzTimeoutMs(40_000) }, async () => {
  const faults: unknown[] = [];
  const note = (fault: unknown): void => void faults.push(fault);
  process.on('uncaughtException', note).on('unhandledRejection', note).on('warning', note);
  onTestFinished(
    () => void process.off('uncaughtException', note).off('unhandledRejection', note).off('warning', note),
  );
  const inner = answering((_head, reply, content) => {
    reply.head({ status: 200, fields: ['content-type', 'application/grpc', 'x-a', 'b'] });
    reply.write(content);
    reply.end(['grpc-status', '0']);
  });
  const dialect = createDialectLayer({
    maxMessageBytes: 1_000,
    clock: systemClock,
    other: naming,
    allowGet: () => true,
    cors: { allowOrigins: ['*'] },
  });
  const listener = await startListener(dialect(inner));
  const seen = new Set<number>();
  await fc.assert(
    fc.asyncProperty(conversation, async (given) => {
      const text = await talk(listener.port, given);
      if (given.ending === 'end' && !/HEAD/.test(toBytes(given).toString('latin1'))) {
        for (const status of statusesOf(text)) seen.add(status);
      }
      await expect.poll(() => listener.openCalls(), { interval: 1 }).toBe(0);
      expect(faults).toEqual([]);
    }),
    { ...fuzzing(400), examples: EXAMPLES },
  );
  const good = await connectRaw(listener.port);
  good.write('GET /good HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  expect(await good.closed()).toContain('GET /good');
  expect([...seen]).not.toContain(500);
  // A fuzzer that is always turned away at the door tests nothing behind it.
  for (const status of [200, 400, 415]) expect([...seen]).toContain(status);
});
