import { describe, expect, it } from 'vitest';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Protocol } from '../src/index.ts';
import { connect } from './support/calls.ts';
import { createTurns, seeError, toMessages } from './support/scenarios.ts';
import { TestService } from './support/schema.ts';
import { startServer } from './support/servers.ts';

const PROTOCOLS: readonly Protocol[] = ['grpc', 'grpc-web', 'connect'];

describe.each(PROTOCOLS)('%s', (protocol) => {
  it('tells the server of an abort while it works', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol });
    const abort = new AbortController();
    const call = seeError(ours.client.say({ value: 'hang' }, { signal: abort.signal }));
    while (server.probe.calls === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    expect((await call)['code']).toBe('Canceled');
    await server.probe.aborted.promise;
  });

  it('tells the server of a deadline that is over', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol });
    // On a busy machine a deadline may be over before the call has come through.
    while (server.probe.calls === 0) {
      const seen = await seeError(ours.client.say({ value: 'hang' }, { timeoutMs: 300 }));
      expect(seen['code']).toBe('DeadlineExceeded');
    }
    await server.probe.aborted.promise;
  });

  it('sends no call whose signal has fired', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol });
    const signal = AbortSignal.abort();
    expect((await seeError(ours.client.say({ value: 'a' }, { signal })))['code']).toBe('Canceled');
    expect((await seeError(ours.client.join(toMessages('a'), { signal })))['code']).toBe('Canceled');
    await ours.client.say({ value: 'b' });
    expect(server.probe.calls).toBe(1);
  });

  it('leaves a stream that its reader leaves', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol });
    async function* one(): AsyncGenerator<{ value: number }> {
      yield { value: -3 };
    }
    const { message } = await ours.transport.stream(TestService.method.count, undefined, undefined, undefined, one());
    for await (const { value } of message) if (value === '2') break;
    await server.probe.aborted.promise;
  });

  it('tells the server when the requests break off', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol });
    const abort = Promise.withResolvers<void>();
    async function* broken(): AsyncGenerator<{ value: string }> {
      yield { value: 'a' };
      await abort.promise;
      throw new ConnectError('no more', Code.DataLoss);
    }
    const call = seeError(ours.client.join(broken()));
    while (server.probe.read === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.resolve();
    expect(await call).toMatchObject({ code: 'DataLoss', message: 'no more' });
    await server.probe.aborted.promise;
  });

  it('reads no more requests after an early answer, and lets them clean up', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol });
    const cleaned = Promise.withResolvers<void>();
    let made = 0;
    async function* endless(): AsyncGenerator<{ value: string }> {
      try {
        for (;;) {
          yield { value: made++ === 3 ? 'enough' : 'a' };
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        cleaned.resolve();
      }
    }
    expect((await ours.client.join(endless())).value).toBe('a a a');
    await cleaned.promise;
    const before = made;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(made).toBe(before);
  });

  it('makes no more requests than the server takes', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol });
    const abort = new AbortController();
    const counts = { made: 0 };
    async function* endless(): AsyncGenerator<{ value: string }> {
      yield { value: 'wait' };
      for (;;) {
        counts.made++;
        yield { value: 'x'.repeat(10_000) };
      }
    }
    const call = seeError(
      (async () => {
        for await (const _ of ours.client.chat(endless(), { signal: abort.signal })) break;
      })(),
    );
    let last = -1;
    while (counts.made === 0 || counts.made !== last) {
      last = counts.made;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // Our credit, the server's window and what Node's streams hold: far from all.
    expect(counts.made).toBeLessThan(100);
    abort.abort();
    expect((await call)['code']).toBe('Canceled');
  });

  it('lets the server send no more than its reader takes', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol });
    const turns = createTurns();
    const answers = ours.client.chat(turns)[Symbol.asyncIterator]();
    for (let i = 0; i < 300; i++) turns.send('x'.repeat(10_000));
    turns.end();
    await answers.next();
    let last = -1;
    while (server.probe.read !== last) {
      last = server.probe.read;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(server.probe.read).toBeLessThan(150);
    let count = 1;
    while ((await answers.next()).done !== true) count++;
    expect(count).toBe(300);
  });
});
