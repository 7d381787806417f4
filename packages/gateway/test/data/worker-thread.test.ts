import { expect, it } from 'vitest';
import { createWorkerThread } from '../../src/data/worker-thread.ts';
import type { SnapshotUpdate } from '../../src/snapshot.ts';

const SNAPSHOT: SnapshotUpdate = {
  revision: 1,
  clusters: [],
  schemas: [],
  policies: {
    revision: 1,
    maxMessageBytes: 1_000_000,
    defaultTimeoutMs: 1_000,
    maxTimeoutMs: 1_000,
    retryBudget: { percent: 20, reservePerSecond: 10, windowMs: 10_000 },
    explain: 'off',
    operatorTokenDigest: '',
    identity: undefined,
    sharedLimits: undefined,
    cors: { allowOrigins: [], allowCredentials: false, allowHeaders: [], exposeHeaders: [], maxAgeSeconds: 60 },
    exposeEndpoint: false,
    staticDir: undefined,
    accessLog: 'off',
  },
};

function start(onLost: (why: string) => void) {
  const listening = { host: '127.0.0.1', port: 0, reusePort: false };
  return createWorkerThread(listening, { snapshot: SNAPSHOT, ports: new Map() }, onLost);
}

it('says once that the thread is lost, and hangs on nothing afterwards', async () => {
  const lost: string[] = [];
  const thread = await start((why) => void lost.push(why));
  // A picture that cannot be applied is the death of the thread.
  await thread.apply({ ...SNAPSHOT, revision: 2, clusters: 5 as unknown as [] }, new Map());
  expect(lost).toEqual([expect.stringContaining('not a function')]);
  await expect(thread.collect()).rejects.toThrow('the data thread ended');
  await thread.apply(SNAPSHOT, new Map());
  await thread.close(1_000);
  await thread.close(1_000);
  expect(lost).toHaveLength(1);
});

it('ends when told to, which is no loss', async () => {
  const lost: string[] = [];
  const thread = await start((why) => void lost.push(why));
  expect((await thread.collect()).revision).toBe(1);
  await thread.close(1_000);
  await expect(thread.collect()).rejects.toThrow('the data thread ended');
  expect(lost).toEqual([]);
});
