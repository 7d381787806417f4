import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createRandom, createVirtualClock } from '@bascule/core';
import {
  EventSchema,
  RegistryService,
  RemovalCause,
  type WatchResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { createBoard } from '../src/registry/board.ts';
import { encodePut, encodeRemoval } from '../src/registry/encoded-events.ts';
import { createHistory } from '../src/registry/history.ts';
import { toRecord, type EndpointRecord } from '../src/registry/lease.ts';
import { watch } from '../src/registry/watcher.ts';
import { toEndpointMessage } from '../src/endpoint-message.ts';
import { codeOf, openRegistry, openWatch, say } from './registry-rig.ts';
import { closeAll, createEndpoint, onClose } from './rig.ts';

afterEach(closeAll);

const LABELS = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`label-${n}`, 'x'.repeat(200)]));

describe('a large snapshot', () => {
  it('comes in parts of one revision, each of a bounded size, and then what changed', async () => {
    const { client, register } = openRegistry();
    for (let n = 0; n < 120; n++) await register({ instanceId: `i${n}`, labels: LABELS });
    const watch = openWatch(client);
    const parts = [await watch.next()];
    await register({ instanceId: 'late' });
    while (parts.at(-1)?.more === true) parts.push(await watch.next());
    expect(parts.length).toBeGreaterThan(5);
    expect(parts.every((part) => part.snapshot && part.revision === parts[0]?.revision)).toBe(true);
    for (const { events } of parts) {
      const bytes = events.reduce((sum, event) => sum + toBinary(EventSchema, event).length, 0);
      expect(bytes).toBeLessThan(140_000);
    }
    expect(parts.flatMap(({ events }) => events.map(say))).toEqual(
      Array.from({ length: 120 }, (_, n) => `put i${n}#5`),
    );
    const next = await watch.next();
    expect([next.snapshot, next.events.map(say)]).toEqual([false, ['put late#5']]);
  });

  it('has at most 1,000 endpoints in a part', async () => {
    const { client, register } = openRegistry();
    await Promise.all(Array.from({ length: 2_100 }, (_, n) => register({ instanceId: `i${n}` })));
    const watch = openWatch(client);
    const sizes: number[] = [];
    for (let more = true; more;) {
      const part = await watch.next();
      sizes.push(part.events.length);
      more = part.more;
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000);
    expect(sizes.reduce((a, b) => a + b)).toBe(2_100);
  });

  it('begins anew when the history has gone on without its reader', async () => {
    const { client, register, ids } = openRegistry({ limits: { historyEvents: 50 } });
    for (let n = 0; n < 120; n++) await register({ instanceId: `i${n}`, labels: LABELS });
    const watch = openWatch(client);
    const first = await watch.next();
    expect(first.more).toBe(true);
    for (let n = 0; n < 120; n++) await register({ instanceId: `i${n}`, weight: 2 });
    const set = createReader();
    set.read(first);
    while (!set.isWhole()) set.read(await watch.next());
    expect(set.ids()).toEqual(await ids());
    expect(new Set(set.weights())).toEqual(new Set([2]));
  });
});

/** What a careful watcher makes of what it is told. */
function createReader() {
  let revision = -1n;
  let isWhole = false;
  const set = new Map<string, number>();
  return {
    read(response: WatchResponse): void {
      if (response.snapshot && (isWhole || response.revision !== revision)) set.clear();
      revision = response.revision;
      isWhole = !response.more;
      for (const { event } of response.events) {
        const key = `${event.value?.instanceId}#${event.value?.incarnation}`;
        if (event.case === 'put') set.set(key, event.value.weight ?? 1);
        else set.delete(key);
      }
    },
    isWhole: () => isWhole,
    ids: () => [...set.keys()].sort(),
    weights: () => [...set.values()],
  };
}

describe('a watch of too many services', () => {
  it('is refused', async () => {
    const { client } = openRegistry();
    const services = Array.from({ length: 1_001 }, (_, n) => `demo.S${n}`);
    expect(await codeOf(openWatch(client, { services }).next())).toBe(Code.InvalidArgument);
  });
});

describe('a reader of JSON', () => {
  it('is told the same', async () => {
    const { registry, register } = openRegistry();
    await register({ labels: { a: 'b' } });
    const transport = createRouterTransport(registry.routes, { transport: { useBinaryFormat: false } });
    const watch = openWatch(createClient(RegistryService, transport));
    const first = await watch.next();
    expect(first.events[0]?.event.value).toMatchObject({ instanceId: 'a', labels: { a: 'b' } });
    await register({ instanceId: 'b' });
    expect((await watch.next()).events.map(say)).toEqual(['put b#5']);
  });
});

describe('readers that have read', () => {
  it('leave no snapshot behind, however far the history reaches', async () => {
    const log = createHistory({ maxEvents: 100_000, maxBytes: 1_000_000_000 }).open();
    const records = Array.from({ length: 10_000 }, (_, n) => toRecord(toEndpointMessage(createEndpoint({ port: n }))));
    const board = createBoard(log, () => [...records]);
    const { key, endpoint, put: event } = records[0] as EndpointRecord;
    const before = keptBytes();
    for (let n = 0; n < 200; n++) {
      board.append({ key, endpoint, event, before: [], after: [] });
      expect(board.snapshot().records).toHaveLength(records.length);
      // What a turn has looked at weakly lives as long as the turn.
      await new Promise(setImmediate);
    }
    // 200 lists of 10,000 are 16 MB.
    expect(keptBytes() - before).toBeLessThan(4_000_000);
  });
});

describe('readers that do not read', () => {
  /** Many changes of few endpoints, straight into a board. */
  function openBoard(instances: number) {
    const history = createHistory({ maxEvents: 1_000, maxBytes: 1_000_000 });
    const records = new Map<string, EndpointRecord>();
    const board = createBoard(history.open(), () => [...records.values()]);
    const random = createRandom(1);
    return {
      history,
      board,
      records,
      change: (): void => {
        const instanceId = `i${Math.floor(random() * instances)}`;
        const before = records.get(instanceId)?.endpoint.services ?? [];
        if (before.length > 0 && random() < 0.3) {
          const { endpoint, key } = records.get(instanceId) as EndpointRecord;
          records.delete(instanceId);
          board.append({ key, endpoint, event: encodeRemoval(endpoint, RemovalCause.DEREGISTERED), before, after: [] });
          return;
        }
        const record = toRecord(
          toEndpointMessage(createEndpoint({ instanceId, weight: Math.floor(random() * 1_000) })),
        );
        records.set(instanceId, record);
        const { key, endpoint, put } = record;
        board.append({ key, endpoint, event: put, before, after: endpoint.services });
      },
    };
  }

  it('cost nothing however much happens, and end with the set as it is', async () => {
    const clock = createVirtualClock();
    const { board, records, history, change } = openBoard(3_000);
    for (let n = 0; n < 6_000; n++) change();
    const abort = new AbortController();
    onClose(() => abort.abort());
    const watches = Array.from({ length: 50 }, () =>
      watch({ epoch: 1n, board, clock, filter: undefined, seen: undefined, readable: true, signal: abort.signal }),
    );
    // Each has begun, some in the middle of the snapshot, and then reads no more.
    const readers = watches.map(() => createReader());
    for (const [n, one] of watches.entries()) readers[n]?.read((await one.next()).value as WatchResponse);
    const before = keptBytes();
    for (let n = 0; n < 100_000; n++) change();
    const grownBytes = keptBytes() - before;
    // 100,000 records would be more than 50 MB.
    expect(grownBytes).toBeLessThan(8_000_000);
    expect(history.size().events).toBeLessThanOrEqual(1_000);
    const expected = [...records.values()].map(({ key }) => key).sort();
    for (const [n, one] of watches.entries()) {
      const reader = readers[n] as ReturnType<typeof createReader>;
      for (let reads = 0; reads < 40; reads++) {
        const step = await Promise.race([
          one.next(),
          new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined))),
        ]);
        if (step === undefined) break;
        reader.read(step.value as WatchResponse);
      }
      expect(reader.ids()).toEqual(expected);
    }
  });

  it('hears the latest of each endpoint once, when it reads again', async () => {
    const { client, register } = openRegistry();
    await register();
    const reader = openWatch(client);
    await reader.next();
    for (let weight = 1; weight <= 300; weight++) await register({ weight });
    await register({ instanceId: 'b' });
    const texts: string[] = [];
    while (!texts.includes('put b#5')) texts.push(...(await reader.next()).events.map(say));
    expect(texts.length).toBeLessThan(12);
  });
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function keptBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe('an encoded event', () => {
  it('is what its message would be', () => {
    const endpoint = toEndpointMessage(createEndpoint({ labels: { a: 'b' } }));
    const plain = toBinary(EventSchema, create(EventSchema, { event: { case: 'put', value: endpoint } }));
    const encoded = encodePut(endpoint);
    expect(encoded.subarray(encoded.length - plain.length)).toEqual(plain);
  });
});
