import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../e2e/rig/eventually.ts';
import { startVictim, type Victim } from './victim.ts';

let victim: Victim;
beforeAll(async () => {
  victim = await startVictim();
});
afterAll(() => victim[Symbol.asyncDispose]());

const TARGET = '/e2e.v1.EchoService/Say';
const FIELDS = 'Content-Type: application/json\r\n';
/** A call that would be executed if anybody took it for a request of its own. */
const HIDDEN = `POST ${TARGET} HTTP/1.1\r\nHost: a\r\n${FIELDS}Content-Length: 8\r\n\r\n"hidden"`;
const HIDDEN_LENGTH = HIDDEN.length;

/** Sends bytes on a connection of its own and gives all that came back until the other side closed. */
async function say(bytes: string): Promise<string> {
  const socket = connect(victim.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  socket.write(bytes, 'latin1');
  await once(socket, 'close');
  return answer;
}

const post = (fields: string, body = ''): string =>
  `POST ${TARGET} HTTP/1.1\r\nHost: a\r\n${FIELDS}${fields}\r\n${body}`;

/** Each with a call hidden behind or inside it; the statuses are all that may come back. */
const SMUGGLED: readonly (readonly [name: string, bytes: string])[] = [
  [
    'length and chunks',
    post(`Content-Length: ${HIDDEN_LENGTH + 5}\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${HIDDEN}`),
  ],
  ['chunks and length', post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `0\r\n\r\n${HIDDEN}`)],
  ['two lengths', post(`Content-Length: 0\r\nContent-Length: ${HIDDEN_LENGTH}\r\n`, HIDDEN)],
  ['a list of lengths', post('Content-Length: 0, 0\r\n', HIDDEN)],
  ['a signed length', post('Content-Length: +0\r\n', HIDDEN)],
  ['a length in hexadecimal', post('Content-Length: 0x0\r\n', HIDDEN)],
  ['a space before the colon', post('Content-Length : 0\r\n', HIDDEN)],
  ['a field behind a space', post(' Transfer-Encoding: chunked\r\n', `0\r\n\r\n${HIDDEN}`)],
  ['xchunked', post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${HIDDEN}`)],
  ['a vertical tab before chunked', post('Transfer-Encoding: \x0bchunked\r\n', `0\r\n\r\n${HIDDEN}`)],
  ['gzip before chunked', post('Transfer-Encoding: gzip, chunked\r\n', `0\r\n\r\n${HIDDEN}`)],
  ['chunked twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${HIDDEN}`)],
  ['a bare LF between fields', `POST ${TARGET} HTTP/1.1\r\nHost: a\n${FIELDS}Content-Length: 0\r\n\r\n${HIDDEN}`],
  ['a bare CR in a field', post('X-A: b\rContent-Length: 0\r\n', HIDDEN)],
  ['a NUL in a field', post('X-A: \0\r\n', HIDDEN)],
  ['a folded field', post('X-A: b\r\n c\r\nContent-Length: 0\r\n', HIDDEN)],
  [
    'a chunk size of seventeen digits',
    post(
      'Transfer-Encoding: chunked\r\n',
      `00000000000000000\r\n\r\n${HIDDEN}`.replace('0'.repeat(17), 'f'.repeat(17)),
    ),
  ],
  [
    'a chunk extension of twenty kilobytes',
    post('Transfer-Encoding: chunked\r\n', `1;${'x'.repeat(20_000)}\r\n"\r\n0\r\n\r\n${HIDDEN}`),
  ],
  ['two Host fields', `POST ${TARGET} HTTP/1.1\r\nHost: a\r\nHost: b\r\n${FIELDS}Content-Length: 0\r\n\r\n${HIDDEN}`],
  ['userinfo in Host', `POST ${TARGET} HTTP/1.1\r\nHost: a@evil\r\n${FIELDS}Content-Length: 0\r\n\r\n${HIDDEN}`],
  [
    'a target of another host',
    `POST http://evil${TARGET} HTTP/1.1\r\nHost: a\r\n${FIELDS}Content-Length: 0\r\n\r\n${HIDDEN}`,
  ],
  [
    'chunks in HTTP/1.0',
    `POST ${TARGET} HTTP/1.0\r\nHost: a\r\n${FIELDS}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  ['an Expect of its own', post('Expect: y 100-continue\r\nContent-Length: 0\r\n', HIDDEN)],
  ['CONNECT', `CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n${HIDDEN}`],
  ['a field of twenty kilobytes', post(`X-A: ${'y'.repeat(20_000)}\r\nContent-Length: 0\r\n`, HIDDEN)],
  ['two thousand fields', post(`${'x: y\r\n'.repeat(2_000)}Content-Length: 0\r\n`, HIDDEN)],
  ['a target of a hundred kilobytes', `GET /${'y'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n${HIDDEN}`],
];

describe('requests that two parsers might read in two ways', () => {
  test.each(SMUGGLED)('%s: refused, closed, and nothing behind it runs', async (_name, bytes) => {
    const good = victim.startGoodTraffic();
    try {
      const answer = await say(bytes);
      expect(answer).not.toContain('hidden');
      expect(answer.match(/^HTTP\/1\.1 \d+/gm) ?? []).toHaveLength(1);
      expect(answer).toMatch(/^HTTP\/1\.1 (400|405|413|414|417|431|501) /);
    } finally {
      expect((await good.stop()).lost).toEqual([]);
    }
  });

  test('what belongs to a body is not a request, and the next request gets its own answer', async () => {
    const body = JSON.stringify(HIDDEN);
    const first = post(`Content-Length: ${Buffer.byteLength(body)}\r\n`, body);
    const last = post('Content-Length: 7\r\nConnection: close\r\n', '"mine!"');
    const answers = await say(first + last);
    expect(answers.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(answers.endsWith('"mine!"')).toBe(true);
  });

  test('a hundred pipelined calls and a broken one are answered in order, then the connection ends', async () => {
    const calls = Array.from({ length: 100 }, (_, i) => {
      const word = `"${i} mine"`;
      return post(`Content-Length: ${word.length}\r\n`, word);
    });
    const answers = await say(`${calls.join('')}BROKEN\r\n\r\n${HIDDEN}`);
    const words = [...answers.matchAll(/"(\d+) mine"/g)].map((match) => Number(match[1]));
    expect(words).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(answers).not.toContain('hidden');
    expect(answers.match(/HTTP\/1\.1 400/g)).toHaveLength(1);
  });

  test('Upgrade to h2c is ignored and goes no further', async () => {
    const answer = await say(
      post(
        'Content-Length: 4\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
        '"hi"',
      ),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer.endsWith('"hi"')).toBe(true);
  });
});

describe('slow peers', () => {
  test('five hundred that never end their head are cut off, and nobody else notices', async () => {
    const good = victim.startGoodTraffic();
    const sockets = Array.from({ length: 500 }, () => {
      const socket = connect(victim.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(`POST ${TARGET} HTTP/1.1\r\nHost: a\r\nX-A: `);
      return socket.resume();
    });
    try {
      await eventually(() => expect(sockets.filter(({ closed }) => !closed)).toHaveLength(0), 30_000);
    } finally {
      for (const socket of sockets) socket.destroy();
      expect((await good.stop()).lost).toEqual([]);
    }
  });
});
