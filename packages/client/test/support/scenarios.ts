import { StringValueSchema as Text } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type CallOptions, type Client, type Transport } from '@connectrpc/connect';
import type { TestService } from './schema.ts';

type TestClient = Client<typeof TestService>;

/** What a caller can see of a call, as plain data. */
export type Seen = Record<string, unknown>;

/** A call of each sort that callers make, told by what they see. Names are unique. */
export const SCENARIOS: Readonly<Record<string, (client: TestClient, transport: Transport) => Promise<Seen>>> = {
  unary: (client) => seeUnary(client, 'hello'),
  'unary, empty': (client) => seeUnary(client, ''),
  'unary, metadata in pairs': (client) =>
    seeUnary(client, 'a', {
      headers: [
        ['X-Sent', 'one'],
        ['x-sent-bin', 'AAH/'],
      ],
    }),
  'unary, metadata in a record': (client) => seeUnary(client, 'a', { headers: { 'X-Sent': 'one' } }),
  'unary, metadata in Headers': (client) => seeUnary(client, 'a', { headers: new Headers({ 'X-Sent': 'one, two' }) }),
  'unary, 300 KiB both ways': async (client) => {
    const value = new Uint8Array(300 * 1024).map((_, i) => i % 251);
    const answer = await client.blob({ value });
    return { same: Buffer.compare(answer.value, value) === 0, plain: answer.value.constructor === Uint8Array };
  },
  'unary, error': (client) => seeUnary(client, 'fail'),
  'unary, error without a word': (client) => seeUnary(client, 'fail plainly'),
  'unary, not implemented': async (client) => ({ code: await codeOf(client.missing({ value: 'x' })) }),
  // Only the code: a server that sees the deadline first answers with its own words.
  'unary, deadline': async (client) => ({ code: await codeOf(client.say({ value: 'hang' }, { timeoutMs: 100 })) }),
  'unary, aborted before': async (client) =>
    seeError(client.say({ value: 'a' }, { signal: AbortSignal.abort(new Error('changed my mind')) })),
  'unary, aborted on the way': async (client) => {
    const controller = new AbortController();
    const call = client.say({ value: 'hang' }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    return seeError(call);
  },
  'unary, aborted with an error of ours': async (client) => {
    const controller = new AbortController();
    const call = client.say({ value: 'hang' }, { signal: controller.signal });
    setTimeout(() => controller.abort(new ConnectError('enough', Code.Aborted)), 30);
    return seeError(call);
  },
  'server stream': (client) => seeStream((options) => client.count({ value: 5 }, options)),
  'server stream, empty': (client) => seeStream((options) => client.count({ value: 0 }, options)),
  'server stream, error on the way': (client) => seeStream((options) => client.count({ value: 20 }, options)),
  'server stream, deadline': async (client) => {
    const { code } = await seeStream((options) => client.count({ value: -2 }, { ...options, timeoutMs: 100 }));
    return { code };
  },
  'server stream, aborted': (client) => {
    const controller = new AbortController();
    return seeStream(
      (options) => client.count({ value: -2 }, { ...options, signal: controller.signal }),
      (count) => {
        if (count === 2) controller.abort();
      },
    );
  },
  'client stream': async (client) => ({ answer: (await client.join(toMessages('a', 'b', 'c'))).value }),
  'client stream, empty': async (client) => ({ answer: (await client.join(toMessages())).value }),
  'client stream, error': async (client) => seeError(client.join(toMessages('a', 'fail'))),
  'client stream, broken off by its caller': async (client) => {
    async function* broken(): AsyncGenerator<{ value: string }> {
      yield { value: 'a' };
      throw new Error('out of words');
    }
    return seeError(client.join(broken()));
  },
  'client stream, broken off with a code': async (client) => {
    async function* broken(): AsyncGenerator<{ value: string }> {
      yield { value: 'a' };
      throw new ConnectError('out of words', Code.OutOfRange);
    }
    return seeError(client.join(broken()));
  },
  'client stream, deadline': async (client) => {
    const cleaned = Promise.withResolvers<boolean>();
    async function* endless(): AsyncGenerator<{ value: string }> {
      try {
        for (;;) {
          yield { value: 'a' };
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      } finally {
        cleaned.resolve(true);
      }
    }
    const code = await codeOf(client.join(endless(), { timeoutMs: 1_000 }));
    return { code, cleaned: await cleaned.promise };
  },
};

/** Scenarios for which both directions have to run at once. */
export const DUPLEX_SCENARIOS: typeof SCENARIOS = {
  'bidi stream, in turns': async (client) => {
    const turns = createTurns();
    const seen: string[] = [];
    turns.send('one');
    for await (const { value } of client.chat(turns)) {
      seen.push(value);
      if (seen.length < 3) turns.send(`answer to ${value}`);
      else turns.end();
    }
    return { seen };
  },
  'client stream, early answer': async (client) => {
    const turns = createTurns();
    turns.send('a');
    turns.send('enough');
    const answer = await client.join(turns);
    return { answer: answer.value };
  },
};

/** Requests that a test sends one by one. */
export function createTurns(): AsyncIterable<{ value: string }> & { send(value: string): void; end(): void } {
  const queue: { value: string }[] = [];
  let state: 'open' | 'ended' = 'open';
  let wake: () => void = () => undefined;
  async function* run(): AsyncGenerator<{ value: string }> {
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else if (state === 'ended') return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  const iterator = run();
  return {
    [Symbol.asyncIterator]: () => iterator,
    send(value) {
      queue.push({ value });
      wake();
    },
    end() {
      state = 'ended';
      wake();
    },
  };
}

export async function* toMessages(...values: string[]): AsyncGenerator<{ value: string }> {
  for (const value of values) yield { value };
}

async function seeUnary(client: TestClient, value: string, options: CallOptions = {}): Promise<Seen> {
  const seen: Seen = {};
  try {
    const answer = await client.say({ value }, { ...options, ...seeHeaders(seen) });
    return { ...seen, answer: answer.value };
  } catch (thrown) {
    return { ...seen, ...describeError(thrown) };
  }
}

async function seeStream(
  call: (options: CallOptions) => AsyncIterable<{ value: string }>,
  onAnswer: (count: number) => void = () => undefined,
): Promise<Seen> {
  const seen: Seen = {};
  const answers: string[] = [];
  try {
    for await (const { value } of call(seeHeaders(seen))) {
      answers.push(value);
      onAnswer(answers.length);
    }
    return { ...seen, answers };
  } catch (thrown) {
    return { ...seen, answers, ...describeError(thrown) };
  }
}

function seeHeaders(seen: Seen): CallOptions {
  return {
    onHeader: (headers) => (seen['header'] = ownOf(headers)),
    onTrailer: (headers) => (seen['trailer'] = ownOf(headers)),
  };
}

export async function seeError(call: Promise<unknown>): Promise<Seen> {
  return call.then(
    () => ({ error: 'none' }),
    (thrown: unknown) => describeError(thrown),
  );
}

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return (await seeError(call))['code'];
}

function describeError(thrown: unknown): Seen {
  if (!(thrown instanceof ConnectError)) return { thrown: String(thrown) };
  return {
    code: Code[thrown.code],
    message: thrown.rawMessage,
    metadata: ownOf(thrown.metadata),
    details: thrown.findDetails(Text).map(({ value }) => value),
  };
}

/** What the handlers set. Protocols and HTTP versions differ in the rest. */
function ownOf(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('x-')));
}
