import { randomBytes } from 'node:crypto';
import { Code, createClient } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { PlacesService } from '../../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createDemo } from './demo-routes.ts';
import { closeAll, connectByHttp1, connectTo, start } from './rig.ts';

afterEach(closeAll);

const BIG_NAME = randomBytes(500_000).toString('hex');

describe.each(['grpc', 'grpc-web', 'connect'] as const)('%s over HTTP/2', (protocol) => {
  async function open() {
    const demo = createDemo();
    const { server } = await start({ routes: demo.routes });
    const transport = connectTo(server.port, protocol);
    return { demo, transport, client: createClient(RankingService, transport) };
  }

  it('carries unary calls, also large ones, with their trailers', async () => {
    const { client } = await open();
    let rest: string | null = null;
    const answer = await client.rank(
      { callId: 'a', candidates: [{ name: BIG_NAME }] },
      { onTrailer: (trailer) => (rest = trailer.get('x-rest')) },
    );
    expect([answer.callId, answer.ranked[0]?.name === BIG_NAME, rest]).toEqual(['a', true, 'of it']);
  });

  it('carries bidi streams in step', async () => {
    const { client } = await open();
    let answered = Promise.withResolvers<void>();
    async function* requests() {
      for (const name of ['a', BIG_NAME, 'c']) {
        answered = Promise.withResolvers<void>();
        yield { candidate: { name } };
        await answered.promise;
      }
    }
    const sizes: (number | undefined)[] = [];
    for await (const { ranked } of client.tally(requests())) {
      sizes.push(ranked?.name.length);
      answered.resolve();
    }
    expect(sizes).toEqual([1, BIG_NAME.length, 1]);
  });

  it('ends a server stream when its caller leaves', async () => {
    const { client, demo } = await open();
    const abort = new AbortController();
    const stream = client.watch({ callId: 'a' }, { signal: abort.signal })[Symbol.asyncIterator]();
    for (let sequence = 1n; sequence <= 3n; sequence++) {
      expect((await stream.next()).value).toMatchObject({ sequence });
    }
    abort.abort();
    await expect.poll(() => demo.finished()).toBe(1);
    expect(demo.contexts[0]?.signal.aborted).toBe(true);
  });

  it('tells errors, unknown methods and the end of a deadline apart', async () => {
    const { client, transport, demo } = await open();
    await expect(client.vote({})).rejects.toMatchObject({ code: Code.FailedPrecondition, rawMessage: 'over' });
    const places = createClient(PlacesService, transport);
    await expect(places.search({})).rejects.toMatchObject({ code: Code.Unimplemented });
    const late = client.rank({ callId: 'hang' }, { timeoutMs: 50 });
    await expect(late).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    await expect.poll(() => demo.contexts[0]?.signal.aborted).toBe(true);
  });
});

describe.each(['grpc-web', 'connect'] as const)('%s over HTTP/1.1', (protocol) => {
  it('carries unary calls and server streams on the same port', async () => {
    const demo = createDemo();
    const { server } = await start({ routes: demo.routes });
    const client = createClient(RankingService, connectByHttp1(server.port, protocol));
    expect(await client.rank({ callId: 'a' })).toMatchObject({ callId: 'a' });
    expect(demo.contexts[0]?.requestMethod).toBe(protocol === 'connect' ? 'GET' : 'POST');
    const abort = new AbortController();
    const stream = client.watch({ callId: 'a' }, { signal: abort.signal })[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ sequence: 1n });
    abort.abort();
    await expect.poll(() => demo.finished()).toBe(1);
  });
});
