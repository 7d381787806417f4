import { randomBytes } from 'node:crypto';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createKit } from '../src/kit.ts';
import { createDemo } from './demo-routes.ts';
import { createInProcessTransport, PROTOCOLS } from './in-process.ts';

/** Larger than the initial credit in both directions, also compressed, so that a lost grant hangs the call. */
const BIG_NAME = randomBytes(500_000).toString('hex');

const toConnectError = (reason: unknown): ConnectError => ConnectError.from(reason);

describe.each(PROTOCOLS)('over %s', (protocol) => {
  function start(options: { deadlineMs?: number; maxMessageBytes?: number } = {}) {
    const demo = createDemo();
    const kit = createKit({ routes: demo.routes, maxMessageBytes: options.maxMessageBytes ?? 4_194_304 });
    return { demo, client: createClient(RankingService, createInProcessTransport(kit.service, protocol, options)) };
  }

  it('answers a unary call with its fields and trailers', async () => {
    const { client } = start();
    const seen: Record<string, string | null> = {};
    const answer = await client.rank(
      { callId: 'a', candidates: [{ id: 7, name: 'Oslo' }] },
      {
        headers: { 'x-sent': 'hello' },
        onHeader: (header) => (seen['header'] = header.get('x-seen')),
        onTrailer: (trailer) => (seen['trailer'] = trailer.get('x-rest')),
      },
    );
    expect(answer).toMatchObject({ callId: 'a', version: 'v1', ranked: [{ id: 7, name: 'Oslo' }] });
    expect(seen).toEqual({ header: 'hello', trailer: 'of it' });
  });

  it('streams from the server to the end', async () => {
    const { client, demo } = start();
    const sequences: bigint[] = [];
    for await (const message of client.watch({ callId: 'a' })) sequences.push(message.sequence);
    expect(sequences).toEqual([1n, 2n, 3n]);
    expect(demo.finished).toBe(1);
  });

  it('answers each message of a bidi stream before the next is sent', async () => {
    const { client } = start();
    let answered = Promise.withResolvers<void>();
    async function* requests() {
      for (let id = 1; id <= 3; id++) {
        answered = Promise.withResolvers<void>();
        yield { candidate: { id } };
        await answered.promise;
      }
    }
    const ids: (number | undefined)[] = [];
    for await (const message of client.tally(requests())) {
      ids.push(message.ranked?.id);
      answered.resolve();
    }
    expect(ids).toEqual([1, 2, 3]);
  });

  it('carries messages larger than the credit both ways', async () => {
    const { client } = start();
    const answer = await client.rank({ candidates: [{ id: 1, name: BIG_NAME }] });
    expect(answer.ranked[0]?.name).toBe(BIG_NAME);
    async function* requests() {
      for (let id = 1; id <= 3; id++) yield { candidate: { id, name: BIG_NAME } };
    }
    for await (const message of client.tally(requests())) expect(message.ranked?.name).toBe(BIG_NAME);
  });

  it('ends with the status that the handler throws', async () => {
    const { client } = start();
    const error = await client.vote({}).then(() => undefined, toConnectError);
    expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: 'the vote is over: 100 % counted' });
    expect(error?.metadata.get('x-why')).toBe('late');
  });

  it('refuses a message above the limit', async () => {
    const { client } = start({ maxMessageBytes: 1000 });
    const error = await client.rank({ callId: BIG_NAME }).then(() => undefined, toConnectError);
    expect(error?.code).toBe(Code.ResourceExhausted);
  });

  it('tells the handler when the caller goes', async () => {
    const { client, demo } = start();
    const abort = new AbortController();
    const call = client.rank({ callId: 'hang' }, { signal: abort.signal });
    await expect.poll(() => demo.contexts.length).toBe(1);
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
    expect(ConnectError.from(await demo.aborted).code).toBe(Code.Canceled);
  });

  it('runs the clean-up of a stream that its caller leaves', async () => {
    const { client, demo } = start();
    const abort = new AbortController();
    const stream = client.watch({ callId: 'endless' }, { signal: abort.signal })[Symbol.asyncIterator]();
    await stream.next();
    abort.abort();
    await expect.poll(() => demo.finished).toBe(1);
  });

  it('ends a call at the deadline of its context when no field says one', async () => {
    const { client } = start({ deadlineMs: performance.now() + 30 });
    await expect(client.rank({ callId: 'hang' })).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });
});

describe('Connect GET', () => {
  it('reaches a method without side effects', async () => {
    const demo = createDemo();
    const kit = createKit({ routes: demo.routes });
    const transport = createInProcessTransport(kit.service, 'connect', { useHttpGet: true });
    expect(await createClient(RankingService, transport).rank({ callId: 'got' })).toMatchObject({ callId: 'got' });
    expect(demo.contexts[0]?.requestMethod).toBe('GET');
  });
});
