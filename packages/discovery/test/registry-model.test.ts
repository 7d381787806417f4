import { createRandom, createVirtualClock } from '@bascule/core';
import { Protocol, RegistryService, type WatchResponse } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { createClient, createRouterTransport } from '@connectrpc/connect';
import { fuzzing } from '@bascule/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistry } from '../src/registry/registry.ts';
import { closeAll, onClose } from './rig.ts';

afterEach(closeAll);

const SERVICES = ['demo.v1.A', 'demo.v1.B'];

/** A watcher that reads slowly, leaves and resumes, as chance has it. */
function createReader(client: ReturnType<typeof createClient<typeof RegistryService>>, services: string[]) {
  const set = new Map<string, number>();
  const seen = { epoch: 0n, revision: 0n };
  let abort = new AbortController();
  let messages: AsyncIterator<WatchResponse> | undefined;
  let snapshots = 0;
  onClose(() => abort.abort());

  function apply(response: WatchResponse): void {
    Object.assign(seen, { epoch: response.epoch, revision: response.revision });
    if (response.snapshot) {
      snapshots++;
      set.clear();
    }
    for (const { event } of response.events) {
      if (event.case === 'put') {
        set.set(`${event.value.instanceId}#${event.value.incarnation}`, event.value.weight ?? 1);
      } else if (event.case === 'removal') set.delete(`${event.value.instanceId}#${event.value.incarnation}`);
    }
  }

  return {
    set,
    seen,
    snapshots: () => snapshots,
    leave(): void {
      abort.abort();
      messages = undefined;
    },
    async read(): Promise<void> {
      if (messages === undefined) {
        abort = new AbortController();
        messages = client.watch({ services, ...seen }, { signal: abort.signal })[Symbol.asyncIterator]();
      }
      const message = await messages.next();
      if (message.done !== true) apply(message.value);
    },
  };
}

describe('whatever happens to a registry', () => {
  it.each([1, 2, 3, fuzzing(1).seed])('its watchers end with its set (seed %d)', async (seed) => {
    const random = createRandom(seed);
    const pick = (below: number): number => Math.floor(random() * below);
    const clock = createVirtualClock(seed);
    // A short history, so that some watchers resume by it and some need a snapshot.
    const registry = createRegistry({ clock, limits: { historyEvents: 16 } });
    onClose(() => registry.close());
    const client = createClient(RegistryService, createRouterTransport(registry.routes));
    const readers = [[], [SERVICES[0] as string], SERVICES].map((services) => createReader(client, services));
    const leases: string[] = [];

    async function step(): Promise<void> {
      const leaseId = leases[pick(leases.length)] ?? '';
      const chance = random();
      if (chance < 0.1) clock.advance(pick(3_000));
      else if (chance < 0.2) await client.deregister({ leaseId });
      else if (chance < 0.35) await client.renew({ leaseId }).catch(() => undefined);
      else {
        const services = SERVICES.slice(pick(2), 1 + pick(2));
        const endpoint = {
          instanceId: `i${pick(8)}`,
          incarnation: BigInt(1 + pick(3)),
          host: 'h',
          port: 1,
          protocol: Protocol.GRPC,
          weight: pick(5),
          services: services.length === 0 ? SERVICES : services,
        };
        const ttl = durationFromMs(1_000 + pick(10_000));
        await client.register({ endpoint, ttl }).then(
          (answer) => leases.push(answer.leaseId),
          () => undefined,
        );
      }
    }

    for (let turn = 0; turn < 400; turn++) {
      await step();
      const reader = readers[pick(readers.length)];
      if (random() < 0.1) reader?.leave();
      else if (reader !== undefined && random() < 0.5 && (await client.list({})).revision > reader.seen.revision) {
        // It may wait when what it missed concerns other services; the next heartbeat then tells it the revision.
        const read = reader.read();
        await new Promise(setImmediate);
        clock.advance(5_000);
        await read;
      }
    }

    for (const [index, reader] of readers.entries()) {
      reader.leave();
      await reader.read();
      const { endpoints, revision } = await client.list({
        services: [[], [SERVICES[0] as string], SERVICES][index] ?? [],
      });
      expect(reader.seen.revision).toBe(revision);
      const told = Object.fromEntries(reader.set);
      expect(told).toEqual(Object.fromEntries(endpoints.map((e) => [`${e.instanceId}#${e.incarnation}`, e.weight])));
    }
    expect(readers[0]?.snapshots()).toBeGreaterThan(0);
  });
});
