import { once } from 'node:events';
import { connect, type ClientHttp2Session } from 'node:http2';
import * as fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock, type Service } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import { TEST_TLS } from '@bascule/testing/tls';
import { listen } from '../../../src/listener.ts';

const FUZZING = fuzzing(30);

/** Says back what it was sent: fields with an `x-` as head and as trailers, content as content. */
const echoing: Service = (head, reply) => {
  const fields = head.fields.filter((_, i) => (head.fields[i - (i % 2)] as string).startsWith('x-'));
  const waiting: Uint8Array[] = [];
  let credit = 65_535;
  let hasEnded = false;
  const pump = (): void => {
    for (let next = waiting[0]; next !== undefined && credit > 0; next = waiting[0]) {
      const piece = next.subarray(0, credit);
      if (piece.length === next.length) waiting.shift();
      else waiting[0] = next.subarray(piece.length);
      credit -= piece.length;
      reply.write(piece);
    }
    if (hasEnded && waiting.length === 0) reply.end(fields);
  };
  let isAnswered = false;
  const answer = (): void => {
    if (!isAnswered) reply.head({ status: 200, fields: [...fields, 'x-path', head.path] });
    isAnswered = true;
  };
  return {
    write(bytes) {
      answer();
      waiting.push(new Uint8Array(bytes));
      reply.grant(bytes.length);
      pump();
    },
    end() {
      answer();
      hasEnded = true;
      pump();
    },
    cancel() {},
    grant(bytes) {
      credit += bytes;
      if (!(hasEnded && waiting.length === 0)) pump();
    },
  };
};

const name = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,20}$/).map((text) => `x-${text}`);
/** Octets that a field value may hold; few different ones, so that tables get used. */
const value = fc.oneof(
  fc.constantFrom('', 'a', 'application/grpc', 'deflate, gzip', '\xe4\xf6\xfc', 'a "quoted" one'),
  fc.stringMatching(/^[!-~]([ -~]{0,300}[!-~])?$/),
);
const exchange = fc.record({
  fields: fc.uniqueArray(fc.tuple(name, value), { maxLength: 20, selector: ([each]) => each }),
  path: fc.stringMatching(/^\/[a-zA-Z0-9./?=%-]{0,60}$/),
  contentBytes: fc.oneof(fc.nat(3), fc.nat(2_000), fc.nat(300_000)),
});

async function ask(session: ClientHttp2Session, { fields, path, contentBytes }: Exchange): Promise<void> {
  const stream = session.request({ ':method': 'POST', ':path': path, ...Object.fromEntries(fields) });
  const content = Buffer.alloc(contentBytes, 'content of many words ');
  const [head, trailers] = [once(stream, 'response'), fields.length > 0 ? once(stream, 'trailers') : undefined];
  stream.end(content);
  const received = Buffer.concat(await stream.toArray());
  expect(received.equals(content)).toBe(true);
  const [seen] = (await head) as [Record<string, string>];
  expect(seen['x-path']).toBe(path);
  const [last] = ((await trailers) ?? [{}]) as [Record<string, string>];
  for (const [key, text] of fields) {
    expect(seen[key]).toBe(text);
    expect(last[key]).toBe(text);
  }
}

interface Exchange {
  readonly fields: readonly (readonly [string, string])[];
  readonly path: string;
  readonly contentBytes: number;
}

test.each([
  ['h2c', {}, 4_096],
  ['h2c with a large table', {}, 65_536],
  ['h2c without a table', {}, 0],
  ['TLS', { tls: TEST_TLS }, 4_096],
])(
  `whatever nghttp2 sends comes back through it, %s (FUZZ_SEED=${FUZZING.seed})`,
  { timeout: fuzzTimeoutMs(60_000) },
  async (_name, tls, table) => {
    const listener = await listen({ host: '127.0.0.1', port: 0, clock: systemClock, service: echoing, ...tls });
    onTestFinished(() => listener.close(0));
    const scheme = 'tls' in tls ? 'https' : 'http';
    const settings = { headerTableSize: table, initialWindowSize: 20_000 };
    const session = connect(`${scheme}://127.0.0.1:${listener.port}`, { rejectUnauthorized: false, settings });
    onTestFinished(() => session.destroy());
    await fc.assert(
      fc.asyncProperty(fc.array(exchange, { minLength: 1, maxLength: 12 }), async (exchanges) => {
        await Promise.all(exchanges.map((each) => ask(session, each)));
      }),
      FUZZING,
    );
    expect(listener.openCalls()).toBe(0);
  },
);
