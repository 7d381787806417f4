import { systemClock, type Endpoint } from '@bascule/core';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, it } from 'vitest';
import { toEndpointMessage } from '../src/endpoint-message.ts';
import type { Source } from '../src/source.ts';
import { createRegistrySource } from '../src/sources/registry-source.ts';
import { createStaticSource } from '../src/sources/static.ts';
import { clientOf, closeAll, connectTo, createEndpoint, onClose, record, startRegistry } from './rig.ts';

afterEach(closeAll);

/** What every source owes, whatever it stands on. `make` gives one in which `endpoints` are present. */
function describeSourceContract(
  name: string,
  make: (endpoints: readonly Endpoint[]) => Promise<Source> | Source,
): void {
  describe(`${name}, as a source`, () => {
    const endpoints = [createEndpoint(), createEndpoint({ instanceId: 'places-2', port: 2, labels: { tier: 'b' } })];

    it('tells each endpoint once, as it is', async () => {
      const seen = record(await make(endpoints));
      await expect.poll(() => seen.keys()).toEqual(['places-1#1', 'places-2#1']);
      expect([...seen.set.values()]).toEqual(endpoints);
      expect(seen.log).toEqual(['insert places-1#1', 'insert places-2#1']);
      expect(seen.broken).toEqual([]);
    });

    it('says how it stands, in the call and when asked', async () => {
      const source = await make(endpoints);
      const seen = record(source);
      await expect.poll(() => source.status().state).toBe('connected');
      expect(seen.statuses.at(-1)).toEqual(source.status());
      expect(source.status().error).toBeUndefined();
    });

    it('may be empty, and then tells no changes', async () => {
      const source = await make([]);
      const seen = record(source);
      await expect.poll(() => source.status().state).toBe('connected');
      expect([seen.log, seen.broken]).toEqual([[], []]);
    });

    it('removes nothing when it is closed, and says nothing after', async () => {
      const source = await make(endpoints);
      const seen = record(source);
      await expect.poll(() => seen.keys().length).toBe(2);
      await source.close();
      const told = [seen.log.length, seen.statuses.length];
      await new Promise(setImmediate);
      expect([seen.log.length, seen.statuses.length]).toEqual(told);
      expect(seen.keys()).toEqual(['places-1#1', 'places-2#1']);
    });

    it('may be closed before it starts', async () => {
      await (await make(endpoints)).close();
    });
  });
}

describeSourceContract('a list', (endpoints) => createStaticSource(endpoints));

async function registryWith(endpoints: readonly Endpoint[]): Promise<number> {
  const { port } = await startRegistry({ clock: systemClock });
  for (const endpoint of endpoints) {
    await clientOf(port).register({ endpoint: toEndpointMessage(endpoint), ttl: durationFromMs(60_000) });
  }
  return port;
}

describeSourceContract('a registry', async (endpoints) => {
  const transport = connectTo(await registryWith(endpoints));
  return createRegistrySource({ transport, clock: systemClock, resyncGraceMs: 60_000 });
});

describeSourceContract('a registry with a last known set', async (endpoints) => {
  const transport = connectTo(await registryWith(endpoints));
  const known = { endpoints: [...endpoints], schemas: new Map() };
  return createRegistrySource({ transport, clock: systemClock, resyncGraceMs: 60_000, known });
});

describe('a list', () => {
  it('refuses an endpoint that stands there twice', () => {
    expect(() => createStaticSource([createEndpoint(), createEndpoint({ port: 9 })])).toThrow(/places-1#1.*twice/);
  });
});

describe('the rig', () => {
  it('closes what a test opened', async () => {
    let closed = 0;
    onClose(() => void closed++);
    await closeAll();
    expect(closed).toBe(1);
  });
});
