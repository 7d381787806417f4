import { randomBytes } from 'node:crypto';
import { MessageChannel } from 'node:worker_threads';
import { systemClock, type Link } from '@bascule/core';
import { createHttp2Link, createPortLink, listen, servePort } from '@bascule/wire';
import { Code, createClient } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createKit } from '../src/kit.ts';
import { createDemo } from './demo-routes.ts';
import { createInProcessTransport } from './in-process.ts';

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

const BIG_NAME = randomBytes(500_000).toString('hex');

async function overPort(kit: ReturnType<typeof createKit>): Promise<Link> {
  const { port1, port2 } = new MessageChannel();
  const server = servePort(port1, kit.service, systemClock);
  const link = createPortLink(port2, systemClock);
  opened.push(() => server.close());
  return Promise.resolve(link);
}

async function overHttp2(kit: ReturnType<typeof createKit>): Promise<Link> {
  const listener = await listen({ host: '127.0.0.1', port: 0, service: kit.service, clock: systemClock });
  opened.push(() => listener.close(0));
  return createHttp2Link({ host: '127.0.0.1', port: listener.port, clock: systemClock });
}

describe.each([
  ['a message port', overPort],
  ['an HTTP/2 link', overHttp2],
])('a kit behind %s', (_, connect) => {
  async function start() {
    const demo = createDemo();
    const link = await connect(createKit({ routes: demo.routes }));
    opened.push(() => link.destroy());
    if (!link.isReady()) await new Promise<void>((resolve) => link.onReadyChange(() => resolve()));
    return { demo, client: createClient(RankingService, createInProcessTransport(link.service, 'grpc')) };
  }

  it('answers unary calls with all that belongs to them', async () => {
    const { client } = await start();
    let rest: string | null = null;
    const answer = await client.rank(
      { callId: 'a', candidates: [{ name: BIG_NAME }] },
      { onTrailer: (trailer) => (rest = trailer.get('x-rest')) },
    );
    expect([answer.callId, answer.ranked[0]?.name === BIG_NAME, rest]).toEqual(['a', true, 'of it']);
    await expect(client.vote({})).rejects.toMatchObject({ code: Code.FailedPrecondition });
  });

  it('streams both ways, beyond the credit', async () => {
    const { client } = await start();
    async function* requests() {
      for (let id = 1; id <= 3; id++) yield { candidate: { id, name: BIG_NAME } };
    }
    const ids: (number | undefined)[] = [];
    for await (const { ranked } of client.tally(requests())) ids.push(ranked?.id);
    expect(ids).toEqual([1, 2, 3]);
  });

  it('hears that its caller has gone', async () => {
    const { client, demo } = await start();
    const abort = new AbortController();
    const stream = client.watch({ callId: 'endless' }, { signal: abort.signal })[Symbol.asyncIterator]();
    await stream.next();
    abort.abort();
    await expect.poll(() => demo.finished).toBe(1);
  });
});
