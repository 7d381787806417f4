import { Code, createClient, type Client, type ConnectRouter } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { RankingService } from '../gen/demo/ranking/v1/ranking_pb.ts';
import v1 from '../modules/ranking/index.ts';
import v2 from '../modules/ranking-v2/index.ts';
import { startServer } from './server.ts';

const CANDIDATES = [
  { id: 1, name: 'Small and near', population: 2000, distanceKm: 5, feature: 'PPL' },
  { id: 2, name: 'Large and far', population: 9_000_000, distanceKm: 9000, feature: 'PPLA' },
  { id: 3, name: 'Capital', population: 600_000, distanceKm: 900, feature: 'PPLC' },
];

async function withClient(
  routes: (router: ConnectRouter) => void,
  use: (client: Client<typeof RankingService>) => Promise<void>,
): Promise<void> {
  await using server = await startServer(routes);
  await use(createClient(RankingService, server.transport));
}

test.each([
  ['v1', v1, ['Large and far', 'Capital', 'Small and near']],
  ['v2', v2, ['Capital', 'Small and near', 'Large and far']],
])('%s has its own order, with reasons', async (_, routes, order) => {
  await withClient(routes, async (client) => {
    const { ranked, callId } = await client.rank({ candidates: CANDIDATES, callId: 'c-1' });
    expect(ranked.map(({ name }) => name)).toEqual(order);
    expect(ranked.every(({ reason }) => reason !== '')).toBe(true);
    expect(callId).toBe('c-1');
  });
});

test('Watch counts from 1 without gaps until the caller ends it', async () => {
  await withClient(v1, async (client) => {
    const sequences: bigint[] = [];
    for await (const message of client.watch({ candidates: CANDIDATES, intervalMs: 10, callId: 'w' })) {
      expect(message.callId).toBe('w');
      expect(message.ranked[0]?.name).toBe('Large and far');
      if (sequences.push(message.sequence) === 5) break;
    }
    expect(sequences).toEqual([1n, 2n, 3n, 4n, 5n]);
  });
});

test('Watch refuses an interval that would flood', async () => {
  await withClient(v1, async (client) => {
    const stream = client.watch({ intervalMs: 9 })[Symbol.asyncIterator]();
    await expect(stream.next()).rejects.toMatchObject({ code: Code.InvalidArgument });
  });
});

test('Tally adds up per candidate', async () => {
  await withClient(v1, async (client) => {
    async function* requests() {
      for (const i of [1, 2, 1]) yield { candidate: CANDIDATES[i]!, callId: `t-${i}` };
    }
    const answers: unknown[] = [];
    for await (const { ranked, callId, sequence } of client.tally(requests())) {
      answers.push([ranked?.name, ranked?.score, callId, sequence]);
    }
    expect(answers).toEqual([
      ['Large and far', 9, 't-1', 1n],
      ['Capital', 0.6, 't-2', 2n],
      ['Large and far', 18, 't-1', 3n],
    ]);
  });
});

test('Vote counts every call', async () => {
  await withClient(v2, async (client) => {
    expect(await client.vote({ placeId: 3, callId: 'a' })).toMatchObject({ votes: 1n, callId: 'a' });
    expect(await client.vote({ placeId: 3 })).toMatchObject({ votes: 2n });
    expect(await client.vote({ placeId: 1 })).toMatchObject({ votes: 1n });
  });
});
