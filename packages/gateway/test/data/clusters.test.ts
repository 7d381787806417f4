import { resolveBalancing } from '@bascule/balancer';
import { createLoads, type Links } from '@bascule/client';
import { createVirtualClock, endpointKey, type Endpoint } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createThreadUpdate, NOTHING_KNOWN } from '../../src/control/thread-update.ts';
import { createClusters } from '../../src/data/clusters.ts';
import { createTranscoding } from '../../src/data/json/transcoding.ts';
import type { ClusterSnapshot, Policies } from '../../src/snapshot.ts';
import { clusterOf, endpointOf } from '../support.ts';

/** Links that are never ready and close at once. */
const links: Pick<Links, 'open'> = {
  open: () => ({
    service: () => expect.unreachable(),
    isReady: () => false,
    onReadyChange() {},
    close: () => Promise.resolve(),
    destroy() {},
  }),
};

function rig() {
  const clock = createVirtualClock();
  const clusters = createClusters({
    clock,
    links: links as Links,
    loads: createLoads(clock),
    transcoding: createTranscoding({ clock }),
    onReady() {},
  });
  let known = NOTHING_KNOWN;
  return {
    /** Takes a snapshot the way that a thread is given it. */
    show: (snapshots: readonly ClusterSnapshot[]): void => {
      const whole = { revision: 1, clusters: snapshots, schemas: [], policies: {} as Policies };
      const update = createThreadUpdate(whole, known, () => undefined);
      ({ known } = update);
      clusters.apply(structuredClone(update.snapshot.clusters));
    },
    /** A thread that refused a snapshot is told all endpoints anew. */
    forget: () => (known = NOTHING_KNOWN),
    /** Once what left has left. */
    members: async (): Promise<string[]> => {
      await new Promise((resolve) => void setImmediate(resolve));
      return clusters
        .members()
        .map(({ service, endpoint }) => `${service} ${endpointKey(endpoint)} ${endpoint.weight}`)
        .toSorted();
    },
    find: (service: string) => clusters.find(service),
    close: () => clusters.close(),
  };
}

const endpointArb = fc
  .record({ id: fc.constantFrom('i1', 'i2', 'i3'), weight: fc.nat(2), incarnation: fc.nat(1) })
  .map(({ id, ...rest }) => endpointOf({ instanceId: id, ...rest }));
const endpointsArb = fc.uniqueArray(endpointArb, { selector: endpointKey, maxLength: 4 });
const clusterArb = (service: string) =>
  fc.record({
    service: fc.constant(service),
    balancing: fc.constantFrom(resolveBalancing(), resolveBalancing({ policy: { name: 'random', weighted: true } })),
    endpoints: endpointsArb,
  });
const stepArb = fc.record({
  clusters: fc
    .tuple(fc.option(clusterArb('a.A')), fc.option(clusterArb('a.B')))
    .map((pair) => pair.filter((cluster) => cluster !== null)),
  isRefused: fc.boolean(),
});

describe('clusters', () => {
  it('have whom the last snapshot has, however it was carried over', { timeout: fuzzTimeoutMs(10_000) }, async () => {
    const walk = fc.asyncProperty(fc.array(stepArb, { maxLength: 12 }), async (steps) => {
      const { show, forget, members, find, close } = rig();
      const same = new Map<string, Endpoint>();
      for (const { clusters, isRefused } of steps) {
        // An endpoint that has not changed is the same object, as from the membership.
        const snapshots = clusters.map(({ endpoints, ...rest }) => {
          const kept = endpoints.map((endpoint) => {
            const text = JSON.stringify(endpoint);
            if (!same.has(text)) same.set(text, endpoint);
            return same.get(text) as Endpoint;
          });
          return clusterOf({ ...rest, endpoints: kept });
        });
        if (isRefused) forget();
        show(snapshots);
        const expected = snapshots.flatMap(({ service, endpoints }) =>
          endpoints.map((endpoint) => `${service} ${endpointKey(endpoint)} ${endpoint.weight}`),
        );
        expect(await members()).toEqual(expected.toSorted());
        for (const service of ['a.A', 'a.B']) {
          expect(find(service) !== undefined).toBe(snapshots.some((cluster) => cluster.service === service));
        }
      }
      await close();
    });
    await fc.assert(walk, fuzzing(60));
  });
});
