import { join } from 'node:path';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { RankingService } from '../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { connectGrpc } from './rig/dialects.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { makeFolder } from './rig/folder.ts';
import { startTestGateway } from './rig/gateway.ts';
import { createPackages } from './rig/packages.ts';

const SCHEMA = join(import.meta.dirname, '../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts');

/** Works on for a while, whatever its caller does; `watch` gives one message first. */
const DEAF = `
import { setTimeout } from 'node:timers/promises';
import { RankingService } from ${JSON.stringify(SCHEMA)};

export default (router) => {
  router.service(RankingService, {
    rank: () => ({ callId: 'free' }),
    async vote() {
      await setTimeout(3_000);
      return {};
    },
    async *watch() {
      yield {};
      await setTimeout(3_000);
    },
  });
};
`;

async function readAll(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

describe.each([0, 1])('a handler in a module that does not heed its signal, with %i workers', (workers) => {
  it('keeps the slot of its cancelled call until it has settled, and no longer', async () => {
    await using folder = await makeFolder();
    await using gateway = await startTestGateway({ workers, config: { calls: { maxOpenCalls: 1 } } });
    await gateway.operator.deploy(await createPackages(folder.path).ofRanking('1.0.0', { 'index.ts': DEAF }));
    using connected = connectGrpc(gateway.baseUrl);
    const client = createClient(RankingService, connected.transport);
    const leave = async (start: (signal: AbortSignal) => Promise<unknown>, code: Code): Promise<void> => {
      const caller = new AbortController();
      const left = failureOf(start(caller.signal));
      // The call is open once it is in the way of another.
      await eventually(async () => expect((await failureOf(client.rank({}))).code).toBe(Code.ResourceExhausted));
      caller.abort();
      expect((await left).code).toBe(code);
      expect((await failureOf(client.rank({}))).code).toBe(Code.ResourceExhausted);
      await eventually(async () => expect((await client.rank({})).callId).toBe('free'));
    };
    await leave((signal) => client.vote({}, { signal }), Code.Canceled);
    await leave((signal) => readAll(client.watch({}, { signal })), Code.Canceled);

    expect((await failureOf(client.vote({}, { timeoutMs: 500 }))).code).toBe(Code.DeadlineExceeded);
    expect((await failureOf(client.rank({}))).code).toBe(Code.ResourceExhausted);
    await eventually(async () => expect((await client.rank({})).callId).toBe('free'));
  });
});
