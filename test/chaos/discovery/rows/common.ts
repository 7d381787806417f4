import type { ListEndpointsResponse } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { makeFolder } from '../../../support/src/servers/folders.ts';
import type { Backend } from '../backends.ts';
import type { Scene } from '../scene.ts';
import { startRegistrySystem, type System } from '../systems.ts';
import type { Placed } from '../place.ts';

/** Of the embedded registry's leases: short, so that they can be outlasted, and long enough for a busy machine. */
export const TTL_MS = 3_000;

/** An embedded registry that ends with the run. */
export async function startRegistry({ stack }: Scene): Promise<System> {
  const folder = makeFolder('chaos-registry');
  stack.defer(() => folder.remove());
  const system = await startRegistrySystem(folder.path);
  stack.defer(() => system.server.stop());
  return system;
}

/** Whether the gateway says that it does not hear a system. */
export function isStale({ sources }: ListEndpointsResponse, { name }: System): boolean {
  return sources.some((source) => source.name === name && source.state === 'stale');
}

export function relaysOf({ relays }: Placed): NonNullable<Placed['relays']> {
  if (relays === undefined) throw new Error('this world has no relays');
  return relays;
}

/** Plays something, and says whether any backend has noted anything about its registration meanwhile. */
export async function isFelt(backends: Iterable<Backend>, play: () => Promise<void>): Promise<boolean> {
  const before = [...backends].map((backend) => ({ backend, count: backend.events().length }));
  await play();
  return before.some(({ backend, count }) => backend.events().length > count);
}

/** In an order of chance. */
export function shuffle<T>({ chance }: Scene, values: readonly T[]): T[] {
  const left = [...values];
  return values.map(() => left.splice(chance.int(left.length), 1)[0] as T);
}
