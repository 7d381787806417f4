import { systemClock } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { listen } from '@bascule/wire';
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import type { NodeTransportOptions } from '../src/index.ts';
import { connect } from './support/calls.ts';
import { TestService } from './support/schema.ts';
import { seeError } from './support/scenarios.ts';

type Say = (value: string, context: HandlerContext) => Promise<string> | string;

interface Place extends AsyncDisposable {
  readonly url: string;
}

/** A server whose `say` is the test's. */
async function startSaying(say: Say): Promise<Place> {
  const kit = createKit({
    routes: (router) => {
      router.service(TestService, {
        say: async ({ value }, context) => ({ value: await say(value, context) }),
        async *count({ value }, context) {
          yield { value: await say(String(value), context) };
        },
      });
    },
  });
  const listener = await listen({ host: '127.0.0.1', port: 0, service: kit.service, clock: systemClock });
  return {
    url: `http://127.0.0.1:${listener.port}`,
    [Symbol.asyncDispose]: () => listener.close(0),
  };
}

function hang(context: HandlerContext): Promise<never> {
  return new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)));
}

/** What the second server saw of the calls that the first one made to it. */
interface Seen {
  readonly timeoutMs: (number | undefined)[];
  readonly aborted: PromiseWithResolvers<void>;
  readonly begun: PromiseWithResolvers<void>;
}

/** A second server that hangs on "hang", and a first one that calls it, over discovery or not. */
async function startChain(options: (url: string) => Partial<NodeTransportOptions> & { baseUrl?: string }) {
  const seen: Seen = { timeoutMs: [], aborted: Promise.withResolvers(), begun: Promise.withResolvers() };
  const second = await startSaying(async (value, context) => {
    seen.timeoutMs.push(context.timeoutMs());
    context.signal.addEventListener('abort', () => seen.aborted.resolve());
    seen.begun.resolve();
    return value === 'hang' ? hang(context) : `second: ${value}`;
  });
  const { baseUrl, ...rest } = options(second.url);
  const between = connect(baseUrl, rest);
  const first = await startSaying(async (value) => {
    // However deep in what a handler awaits.
    await new Promise((resolve) => setTimeout(resolve, 1));
    return (await between.client.say({ value })).value;
  });
  return {
    first,
    seen,
    between,
    async [Symbol.asyncDispose]() {
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
      await between.transport.close();
    },
  };
}

const WAYS = [
  ['one server', (url: string) => ({ baseUrl: url })],
  ['discovery', (url: string) => ({ discovery: { sources: [`static:${new URL(url).host}`] } })],
] as const;

describe.each(WAYS)('a call made inside a handler, to %s', (_, options) => {
  it('has the time that is left, without a word of the handler', async () => {
    await using chain = await startChain(options);
    await using ours = connect(chain.first.url);
    expect((await ours.client.say({ value: 'a' }, { timeoutMs: 60_000 })).value).toBe('second: a');
    const [leftMs] = chain.seen.timeoutMs;
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(60_000);
    await ours.client.say({ value: 'a' });
    expect(chain.seen.timeoutMs[1]).toBeUndefined();
  });

  it('ends when the caller of the outer one leaves', async () => {
    await using chain = await startChain(options);
    await using ours = connect(chain.first.url);
    const controller = new AbortController();
    const call = ours.client.say({ value: 'hang' }, { signal: controller.signal });
    await chain.seen.begun.promise;
    controller.abort();
    expect(await seeError(call)).toMatchObject({ code: 'Canceled' });
    await chain.seen.aborted.promise;
  });

  it('ends at the deadline of the outer one', async () => {
    await using chain = await startChain(options);
    await using ours = connect(chain.first.url);
    // On a busy machine a deadline may be over before the call has come through.
    while (chain.seen.timeoutMs.length === 0) {
      const call = ours.client.say({ value: 'hang' }, { timeoutMs: 200 });
      expect(await seeError(call)).toMatchObject({ code: 'DeadlineExceeded' });
    }
    await chain.seen.aborted.promise;
    expect(chain.seen.timeoutMs[0]).toBeLessThanOrEqual(200);
  });

  it('inherits nothing where it is told not to', async () => {
    await using chain = await startChain((url) => ({
      ...options(url),
      inheritDeadline: false,
      defaultTimeoutMs: 3_000,
    }));
    await using ours = connect(chain.first.url);
    const controller = new AbortController();
    const call = ours.client.say({ value: 'hang' }, { signal: controller.signal, timeoutMs: 60_000 });
    await chain.seen.begun.promise;
    expect(chain.seen.timeoutMs[0]).toBeLessThanOrEqual(3_000);
    let isAborted = false;
    void chain.seen.aborted.promise.then(() => (isAborted = true));
    controller.abort();
    await seeError(call);
    await connect(chain.first.url)[Symbol.asyncDispose]();
    expect(isAborted).toBe(false);
    await chain.seen.aborted.promise;
  });
});

describe('a call made inside a handler', () => {
  it('keeps its own deadline where that is nearer', async () => {
    await using chain = await startChain((url) => ({ baseUrl: url, defaultTimeoutMs: 100 }));
    await using ours = connect(chain.first.url);
    while (chain.seen.timeoutMs.length === 0) {
      const call = ours.client.say({ value: 'hang' }, { timeoutMs: 60_000 });
      expect(await seeError(call)).toMatchObject({ code: 'DeadlineExceeded' });
    }
    expect(chain.seen.timeoutMs[0]).toBeLessThanOrEqual(100);
  });

  it('goes on when the handler has answered without waiting for it', async () => {
    const left = Promise.withResolvers<string>();
    const gate = Promise.withResolvers<void>();
    await using second = await startSaying(async (value) => {
      await gate.promise;
      return value;
    });
    await using between = connect(second.url);
    await using first = await startSaying((value) => {
      void between.client.say({ value }).then(({ value }) => left.resolve(value), left.reject);
      return 'at once';
    });
    await using ours = connect(first.url);
    expect((await ours.client.say({ value: 'left running' }, { timeoutMs: 60_000 })).value).toBe('at once');
    gate.resolve();
    expect(await left.promise).toBe('left running');
  });

  it('is refused once the outer one is over', async () => {
    const over = Promise.withResolvers<void>();
    const inner = Promise.withResolvers<unknown>();
    const begun = Promise.withResolvers<void>();
    await using second = await startSaying((value) => value);
    await using between = connect(second.url);
    await using first = await startSaying(async (value, context) => {
      begun.resolve();
      context.signal.addEventListener('abort', () => over.resolve());
      await over.promise;
      await between.client.say({ value }).then(inner.resolve, inner.resolve);
      return 'too late';
    });
    await using ours = connect(first.url);
    const controller = new AbortController();
    const call = ours.client.say({ value: 'a' }, { signal: controller.signal });
    await begun.promise;
    controller.abort();
    await seeError(call);
    const error = await inner.promise;
    expect(error).toBeInstanceOf(ConnectError);
    expect((error as ConnectError).code).toBe(Code.Canceled);
  });

  it('works the same from within streams and interceptors', async () => {
    const timeouts: (number | undefined)[] = [];
    await using second = await startSaying((value, context) => {
      timeouts.push(context.timeoutMs());
      return value;
    });
    await using between = connect(second.url, { interceptors: [(next) => async (request) => next(request)] });
    await using first = await startSaying(async (value) => {
      for await (const answer of between.client.count({ value: Number(value) })) return answer.value;
      return 'nothing';
    });
    await using ours = connect(first.url);
    for await (const { value } of ours.client.count({ value: 3 }, { timeoutMs: 60_000 })) expect(value).toBe('3');
    expect(timeouts[0]).toBeLessThanOrEqual(60_000);
  });
});
