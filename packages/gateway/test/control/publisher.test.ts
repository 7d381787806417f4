import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { create } from '@bufbuild/protobuf';
import { createVirtualClock, endpointKey, type Endpoint } from '@bascule/core';
import { ConfigSchema } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { afterEach, describe, expect, it } from 'vitest';
import { resolveSettings } from '../../src/config/settings.ts';
import { compileSnapshot } from '../../src/control/compile.ts';
import { createPublisher } from '../../src/control/publisher.ts';
import type { DataThread } from '../../src/data/thread.ts';
import type { ClusterUpdate, EndpointsUpdate } from '../../src/snapshot.ts';
import { endpointOf } from '../support.ts';

const settings = resolveSettings(create(ConfigSchema), '/tmp');
const opened: MessagePort[] = [];

afterEach(() => {
  for (const port of opened.splice(0)) port.close();
});

/** A data thread that notes what it is given. */
function noteTaker(log: string[], gate: Promise<void> = Promise.resolve()): DataThread {
  return {
    port: 0,
    async apply(snapshot, ports) {
      await gate;
      const ids = snapshot.clusters.flatMap(({ endpoints }) => toIds(endpoints));
      log.push(`${snapshot.revision}: ${ids.join(' ')} | ports ${[...ports.keys()].join(' ')}`);
    },
    collect: () => Promise.reject(new Error('not asked in this test')),
    loads: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
}

function toIds(update: EndpointsUpdate): string[] {
  if (update.kind === 'all') return update.endpoints.map(({ instanceId }) => instanceId);
  return update.changes.map((change) =>
    change.type === 'remove'
      ? `-${change.key}`
      : `${change.type === 'insert' ? '+' : '~'}${change.endpoint.instanceId}`,
  );
}

function rig(
  endpoints: () => readonly Endpoint[],
  live: (key: string) => boolean = () => true,
  schemaOf: (digest: string) => Uint8Array | undefined = () => undefined,
) {
  const compiled: number[] = [];
  const late: boolean[] = [];
  const clock = createVirtualClock();
  const publisher = createPublisher({
    clock,
    onLate: (is) => void late.push(is),
    compile(revision) {
      compiled.push(revision);
      const input = {
        revision,
        settings,
        settingsRevision: 1,
        operatorTokenDigest: '',
        groups: [],
        methodsOf: () => undefined,
        fieldOf: () => undefined,
        schemaOf,
      };
      return compileSnapshot({ ...input, endpoints: endpoints() });
    },
    openPort(key) {
      if (!live(key)) return undefined;
      const { port1, port2 } = new MessageChannel();
      opened.push(port1, port2);
      return port1;
    },
    onError(error) {
      throw error;
    },
  });
  return { publisher, compiled, clock, late };
}

const version = (n: number) => endpointOf({ instanceId: `ranking@${n}`, protocol: 'port' });

describe('publisher', () => {
  it('gives each thread a port of its own to each version, once', async () => {
    let current = [version(1)];
    const { publisher } = rig(() => current);
    const first: string[] = [];
    const a: string[] = [];
    for (const log of [a, first]) {
      await publisher.attach(async (start) => {
        log.push(`start ${[...start.ports.keys()].join(' ')}`);
        return noteTaker(log);
      });
    }
    current = [version(2)];
    await publisher.publish();
    await publisher.publish();
    const expected = ['start ranking@1#1', '3: +ranking@2 -ranking@1#1 | ports ranking@2#1', '4:  | ports '];
    expect(a).toEqual(expected);
    expect(first).toEqual(expected);
  });

  it('gives each thread each schema once, as long as it is named', async () => {
    let current = [endpointOf({ schemaDigest: 'a' })];
    const { publisher } = rig(
      () => current,
      () => true,
      (digest) => new TextEncoder().encode(digest),
    );
    const given: string[][] = [];
    const attach = () =>
      publisher.attach(async ({ snapshot }) => {
        const told: string[] = [];
        const note = (schemas: typeof snapshot.schemas): void =>
          void told.push(schemas.map(({ digest, bytes }) => `${digest} ${bytes?.length ?? 'as before'}`).join(', '));
        given.push(told);
        note(snapshot.schemas);
        return { ...noteTaker([]), apply: async (next) => note(next.schemas) };
      });
    await attach();
    current = [...current, endpointOf({ instanceId: 'places-2', schemaDigest: 'bb' })];
    await publisher.publish();
    await attach();
    current = [];
    await publisher.publish();
    current = [endpointOf({ schemaDigest: 'a' })];
    await publisher.publish();
    expect(given).toEqual([
      ['a 1', 'a as before, bb 2', '', 'a 1'],
      ['a 1, bb 2', '', 'a 1'],
    ]);
  });

  it('gives each thread each endpoint once, and all of them when it does not know what the thread has', async () => {
    const [one, two, three] = [1, 2, 3].map((n) => endpointOf({ instanceId: `i${n}`, services: ['a.A', 'a.B'] }));
    let current = [one, two] as Endpoint[];
    const { publisher } = rig(() => current);
    const told: string[][] = [];
    const thread = noteTaker([]);
    let refusals = 0;
    const note = (clusters: readonly ClusterUpdate[]): void => {
      told.push(
        clusters.map(({ service, endpoints }) => `${service} ${endpoints.kind}: ${toIds(endpoints).join(' ')}`),
      );
    };
    await publisher.attach(async ({ snapshot }) => {
      note(snapshot.clusters);
      return {
        ...thread,
        async apply({ clusters }) {
          if (refusals-- > 0) throw new Error('no memory');
          note(clusters);
        },
      };
    });
    const changed = { ...two, weight: 7 } as Endpoint;
    for (const next of [[one, changed, three], [changed], [], [one], [one, { ...changed, services: ['a.A'] }]]) {
      current = next as Endpoint[];
      await publisher.publish();
    }
    refusals = 1;
    current = [one, two, three] as Endpoint[];
    await expect(publisher.publish()).rejects.toThrow('no memory');
    await publisher.publish();
    expect(told).toEqual([
      ['a.A all: i1 i2', 'a.B all: i1 i2'],
      ['a.A changes: ~i2 +i3', 'a.B changes: ~i2 +i3'],
      ['a.A changes: -i1#1 -i3#1', 'a.B changes: -i1#1 -i3#1'],
      [],
      ['a.A all: i1', 'a.B all: i1'],
      ['a.A changes: +i2', 'a.B changes: '],
      ['a.A all: i1 i2 i3', 'a.B all: i1 i2 i3'],
    ]);
  });

  it('leaves out a version that has just ended, and brings it when it has not', async () => {
    let isLive = false;
    const current = [version(1), endpointOf()];
    const { publisher } = rig(
      () => current,
      (key) => key !== endpointKey(version(1)) || isLive,
    );
    const log: string[] = [];
    await publisher.attach(async () => noteTaker(log));
    await publisher.publish();
    isLive = true;
    await publisher.publish();
    expect(log).toEqual(['2:  | ports ', '3: +ranking@1 | ports ranking@1#1']);
  });

  it('makes one picture for all who ask while another is under way', async () => {
    const { publisher, compiled } = rig(() => []);
    const gate = Promise.withResolvers<void>();
    const log: string[] = [];
    await publisher.attach(async () => noteTaker(log, gate.promise));
    const under = publisher.publish();
    await Promise.resolve();
    const waiting = [publisher.publish(), publisher.publish()];
    publisher.schedule();
    gate.resolve();
    await Promise.all([under, ...waiting]);
    expect(compiled).toEqual([1, 2, 3]);
  });

  it('goes on without a thread that is stuck, and with it when it has caught up', async () => {
    const { publisher, clock, late } = rig(() => []);
    const gate = Promise.withResolvers<void>();
    const [stuck, other]: [string[], string[]] = [[], []];
    await publisher.attach(async () => noteTaker(stuck, gate.promise));
    await publisher.attach(async () => noteTaker(other));
    const first = publisher.publish();
    await expect.poll(() => other).toHaveLength(1);
    clock.advance(9_999);
    expect(late).toEqual([]);
    clock.advance(1);
    await first;
    expect(late).toEqual([true]);
    // Not waited for again.
    await publisher.publish();
    expect(other.map((line) => Number.parseInt(line, 10))).toEqual([3, 4]);
    expect(stuck).toEqual([]);
    gate.resolve();
    await expect.poll(() => late).toEqual([true, false]);
    await publisher.publish();
    expect(stuck.map((line) => Number.parseInt(line, 10))).toEqual([3, 4, 5]);
    expect(clock.pending()).toBe(0);
  });

  it('fails where a thread refuses, and takes the next one', async () => {
    const { publisher } = rig(() => []);
    const log: string[] = [];
    const thread = noteTaker(log);
    let refusals = 1;
    await publisher.attach(async () => ({
      ...thread,
      apply: (...args) => (refusals-- > 0 ? Promise.reject(new Error('no memory')) : thread.apply(...args)),
    }));
    await expect(publisher.publish()).rejects.toThrow('no memory');
    await publisher.publish();
    expect(log.map((line) => Number.parseInt(line, 10))).toEqual([3]);
  });
});
