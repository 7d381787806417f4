import { randomBytes } from 'node:crypto';
import { createRandom } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEcho, type Echo } from './rig/echo.ts';
import { eventually } from './rig/eventually.ts';
import { startTestGateway, type TestGateway } from './rig/gateway.ts';
import { askRaw, sendBytes, type RawRequest } from './rig/raw-call.ts';
import { SPOKEN, unaryCodeOf, type Spoken } from './rig/spoken.ts';

const SAY = '/e2e.v1.EchoService/Say';
const MIB = 1_048_576;

/** StringValue "hi", framed. */
const HI = Uint8Array.from([0, 0, 0, 0, 4, 10, 2, 104, 105]);

function frame(length: number, message: Uint8Array, flags = 0): Uint8Array {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

/** What is wrong, and what the caller must be told. `http` is the status where it is not 200 for the framed dialects. */
interface Case {
  readonly name: string;
  readonly code: string;
  readonly http?: number;
  /** The status that Connect's unary calls are told, where it is not the code's own. */
  readonly unaryHttp?: number;
  readonly request: (spoken: Spoken) => Partial<RawRequest> | undefined;
}

/** Connect says its code by the HTTP status. Source: Connect protocol, "Error codes". */
const HTTP_OF: Readonly<Record<string, number>> = {
  unknown: 500,
  invalid_argument: 400,
  resource_exhausted: 429,
  unimplemented: 501,
  internal: 500,
};

const ENCODING_FIELD = {
  grpc: 'grpc-encoding',
  'grpc-web': 'grpc-encoding',
  'grpc-web-text': 'grpc-encoding',
  connect: 'content-encoding',
  'connect-stream': 'connect-content-encoding',
};

const CASES: readonly Case[] = [
  {
    name: 'a content type of the family that nobody speaks',
    code: 'unknown',
    http: 415,
    request: ({ headers, unknownType }) => ({ headers: { ...headers, 'content-type': unknownType } }),
  },
  {
    name: 'a wrong HTTP method',
    code: 'unknown',
    http: 405,
    request: () => ({ method: 'PUT' }),
  },
  {
    name: 'an unknown service',
    code: 'unimplemented',
    unaryHttp: 404,
    request: () => ({ path: '/e2e.v1.Nobody/Say' }),
  },
  {
    name: 'an unknown method',
    code: 'unimplemented',
    unaryHttp: 404,
    request: () => ({ path: '/e2e.v1.EchoService/Shout' }),
  },
  {
    name: 'a message over the limit',
    code: 'resource_exhausted',
    request: ({ encode }) => ({ body: encode(frame(4 * MIB + 1, new Uint8Array(4 * MIB + 1))) }),
  },
  {
    name: 'a prefix that promises gigabytes',
    code: 'resource_exhausted',
    request: ({ framed, encode }) => (framed ? { body: encode(frame(0xff_ff_ff_ff, new Uint8Array(3))) } : undefined),
  },
  {
    name: 'a compressed message without an encoding',
    code: 'internal',
    request: ({ framed, encode }) => (framed ? { body: encode(frame(4, HI.subarray(5), 1)) } : undefined),
  },
  {
    name: 'an encoding that nobody knows',
    code: 'unimplemented',
    request: ({ headers, label }) => {
      const field = ENCODING_FIELD[label];
      return { headers: { ...headers, [field]: 'zip' } };
    },
  },
];

describe.each([0, 2])('bad input with %i workers', (workers) => {
  let gateway: TestGateway;
  let echo: Echo;

  beforeAll(async () => {
    gateway = await startTestGateway({ workers });
    echo = await startEcho({ registry: gateway.registry });
    await eventually(async () => expect(await say('connect')).toBe('hi'));
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
  });

  /** A good call over a new connection. */
  async function say(name: string): Promise<string> {
    const answer = await fetch(`${gateway.baseUrl}${SAY}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': name, connection: 'close' },
      body: '"hi"',
    });
    expect(answer.status).toBe(200);
    return (await answer.json()) as string;
  }

  /** Sends it, checks that a line was logged, and that the next caller notices nothing. */
  async function ask(spoken: Spoken, change: Partial<RawRequest>, code: string) {
    const name = randomBytes(8).toString('hex');
    const { headers = spoken.headers, ...rest } = change;
    const answer = await askRaw(gateway.apiPort, {
      http: spoken.http,
      path: SAY,
      body: spoken.encode(HI),
      ...rest,
      headers: { ...headers, 'user-agent': name },
    });
    expect(await say('after')).toBe('hi');
    const line = await eventually(async () => {
      const found = (await gateway.accessLines()).filter((each) => each['user_agent'] === name);
      expect(found).toHaveLength(1);
      return found[0];
    });
    expect(line).toMatchObject({ code, http_status: answer.status });
    return { answer, line };
  }

  describe.each(SPOKEN)('$name', (spoken) => {
    it.each(CASES)('$name', async ({ code, http, unaryHttp = HTTP_OF[code], request }) => {
      const change = request(spoken);
      if (change === undefined) return;
      const { answer, line } = await ask(spoken, change, code);
      // What the codec of the stream is remains unknown, so this is said as a unary error.
      const asUnary = http === 415 && spoken.label === 'connect-stream';
      expect(line?.dialect).toBe(asUnary ? 'connect' : spoken.label);
      expect(answer.status).toBe(http ?? (spoken.statusByCode ? unaryHttp : 200));
      if (http === 405) expect(answer.headers['allow']).toContain('POST');
      expect(spoken.failureOf(answer)).toBe(code);
    });

    it.runIf(spoken.framed)('messages cut short', async () => {
      // Connect calls it the caller's fault.
      const code = spoken.label === 'connect-stream' ? 'invalid_argument' : 'internal';
      for (const bytes of [HI.subarray(0, 3), HI.subarray(0, 7), frame(100, randomBytes(10))]) {
        const { answer } = await ask(spoken, { body: spoken.encode(bytes) }, code);
        expect(spoken.failureOf(answer)).toBe(code);
      }
    });

    it('bytes that are no message', async () => {
      // Field 1 as a length that reaches beyond the end.
      const body = spoken.encode(frame(2, Uint8Array.from([10, 99])));
      const { answer } = await ask(spoken, { body }, 'invalid_argument');
      expect(spoken.failureOf(answer)).toBe('invalid_argument');
    });
  });

  it('base64 that is none', async () => {
    const text = SPOKEN.find(({ name }) => name === 'gRPC-Web in text') as Spoken;
    for (const body of ['****', 'AAAAAA', 'AA=A', 'AAAA\r\nAA']) {
      const { answer } = await ask(text, { body }, 'internal');
      expect(answer.status).toBe(200);
      expect(text.failureOf(answer)).toBe('internal');
    }
  });

  it('JSON that is none, and a form in place of a call', async () => {
    const connect = SPOKEN.find(({ name }) => name === 'Connect unary') as Spoken;
    const json = { ...connect.headers, 'content-type': 'application/json' };
    const broken = await ask(connect, { headers: json, body: '{"' }, 'invalid_argument');
    expect([broken.answer.status, unaryCodeOf(broken.answer)]).toEqual([400, 'invalid_argument']);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
      const { answer } = await ask(connect, { headers: type === '' ? {} : { 'content-type': type } }, 'unknown');
      expect([answer.status, answer.headers['content-type']]).toEqual([415, 'text/plain; charset=utf-8']);
    }
  });

  it('requests of HTTP/1.1 that two readers could read differently', async () => {
    const good =
      'POST /e2e.v1.EchoService/Say HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n"hi"';
    const requests = [
      'complete nonsense\r\n\r\n',
      `\u0000\u0001\u0002\u0003${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\n"hi"${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\nhost: y\r\ncontent-length: 0\r\n\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\ncontent-length: 0\r\n\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\ncontent-length: +4\r\n\r\n"hi"${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\nx: 1\r\n folded: 2\r\ncontent-length: 0\r\n\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\nx: a\u0000b\r\ncontent-length: 0\r\n\r\n${good}`,
      `POST http://other.example${SAY} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n${good}`,
      `CONNECT other.example:443 HTTP/1.1\r\nhost: other.example:443\r\n\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\n${'x: y\r\n'.repeat(3000)}\r\n${good}`,
      `POST ${SAY} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n${good}`,
    ];
    for (const request of requests) {
      const answer = (await sendBytes(gateway.apiPort, request)).toString('latin1');
      const lines = answer.match(/HTTP\/1\.1 \d{3}/g) ?? [];
      expect(lines.length, request.slice(0, 120)).toBeLessThanOrEqual(1);
      // No answer at all is a refusal as well, where the request had begun already.
      if (lines.length === 1) expect(lines[0], request.slice(0, 120)).toMatch(/ (4\d\d|501)$/);
      expect(await say('after')).toBe('hi');
    }
  });

  it('garbage in place of HTTP/2, by seed', async () => {
    const { seed } = fuzzing(1);
    const random = createRandom(seed);
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    for (let i = 0; i < 30; i++) {
      const garbage = Buffer.from(Array.from({ length: 9 + Math.floor(random() * 400) }, () => random() * 256));
      // A short frame of a known type, so that more is tried than the frame size.
      garbage.writeUIntBE(Math.min(garbage.length - 9, 0xff_ff), 0, 3);
      garbage[3] = Math.floor(random() * 11);
      const bytes =
        i % 3 === 0 ? Buffer.concat([preface, garbage]) : Buffer.concat([preface, settings, garbage, garbage]);
      const closed = sendBytes(gateway.apiPort, Buffer.concat([bytes, Buffer.from('GARBAGE-AS-NEXT-FRAME-HEAD')]));
      await expect(closed, `FUZZ_SEED=${seed}, try ${i}`).resolves.toBeInstanceOf(Buffer);
    }
    expect(await say('after')).toBe('hi');
  });
});
