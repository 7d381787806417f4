import type { MessagePort } from 'node:worker_threads';
import { endpointKey, type Endpoint } from '@bascule/core';
import type { FirstSnapshot } from '../data/thread.ts';
import { changesBetween } from '../endpoint-changes.ts';
import type { ClusterUpdate, EndpointsUpdate, Snapshot } from '../snapshot.ts';

/** What a data thread has been given. */
export interface Known {
  /** Module versions that it has a port to. */
  readonly keys: ReadonlySet<string>;
  /** Digests of the schemas that it has. */
  readonly schemas: ReadonlySet<string>;
  /** Its endpoints by service. */
  readonly endpoints: ReadonlyMap<string, ReadonlySet<Endpoint>>;
}

export const NOTHING_KNOWN: Known = { keys: new Set(), schemas: new Set(), endpoints: new Map() };

export interface ThreadUpdate extends FirstSnapshot {
  /** What the thread has with it. */
  readonly known: Known;
}

/** The picture for one thread: with a port to each version, and each schema and endpoint, that it does not have yet. */
export function createThreadUpdate(
  whole: Snapshot,
  known: Known,
  openPort: (key: string) => MessagePort | undefined,
): ThreadUpdate {
  const schemas = whole.schemas.map((schema) =>
    known.schemas.has(schema.digest) ? { digest: schema.digest, bytes: undefined } : schema,
  );
  const { ports, keys, present } = openPorts(whole, known, openPort);
  const endpoints = new Map<string, ReadonlySet<Endpoint>>();
  const clusters = present.clusters.map((cluster): ClusterUpdate => {
    const all = new Set(cluster.endpoints);
    endpoints.set(cluster.service, all);
    return { ...cluster, endpoints: toUpdate(known.endpoints.get(cluster.service), all) };
  });
  return {
    snapshot: { ...whole, clusters, schemas },
    ports,
    known: { keys, schemas: new Set(schemas.map(({ digest }) => digest)), endpoints },
  };
}

function toUpdate(before: ReadonlySet<Endpoint> | undefined, after: ReadonlySet<Endpoint>): EndpointsUpdate {
  if (before === undefined) return { kind: 'all', endpoints: [...after] };
  return { kind: 'changes', changes: changesBetween(before, after) };
}

/** Ports to the versions that are new to a thread; a version that has just gone is left out. */
function openPorts(whole: Snapshot, known: Known, openPort: (key: string) => MessagePort | undefined) {
  const wanted = new Set(moduleKeys(whole));
  const ports = new Map<string, MessagePort>();
  const gone = new Set<string>();
  for (const key of wanted) {
    if (known.keys.has(key)) continue;
    const port = openPort(key);
    if (port === undefined) gone.add(key);
    else ports.set(key, port);
  }
  return { ports, keys: wanted.difference(gone), present: gone.size === 0 ? whole : without(whole, gone) };
}

function moduleKeys(snapshot: Snapshot): string[] {
  return snapshot.clusters.flatMap(({ endpoints }) =>
    endpoints.filter((endpoint) => endpoint.protocol === 'port').map((endpoint) => endpointKey(endpoint)),
  );
}

function without(snapshot: Snapshot, keys: ReadonlySet<string>): Snapshot {
  const clusters = snapshot.clusters.map((cluster) => ({
    ...cluster,
    endpoints: cluster.endpoints.filter((endpoint) => !keys.has(endpointKey(endpoint))),
  }));
  return { ...snapshot, clusters };
}
