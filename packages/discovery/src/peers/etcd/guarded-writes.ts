import {
  Compare_CompareTarget,
  CompareSchema,
  LeaseKeepAliveRequestSchema,
  RequestOpSchema,
  type Compare,
  type KeyValue,
  type RequestOp,
} from '@bascule/schema/gen/peers/etcd/rpc_pb.ts';
import { create } from '@bufbuild/protobuf';
import type { EtcdClient } from './client.ts';

/** What a key holds; undefined when it is not there. */
export async function readKey(client: EtcdClient, key: Uint8Array, signal: AbortSignal): Promise<KeyValue | undefined> {
  return (await client.call(signal, ({ kv }, options) => kv.range({ key }, options))).kvs[0];
}

/** Does all of it, or nothing when the condition does not hold. True when done. */
export async function writeIf(
  client: EtcdClient,
  condition: Compare,
  writes: readonly RequestOp[],
  signal: AbortSignal,
): Promise<boolean> {
  const request = { compare: [condition], success: [...writes] };
  return (await client.call(signal, ({ kv }, options) => kv.txn(request, options))).succeeded;
}

/** The key is as it was read. */
export function isUnchanged(key: Uint8Array, record: KeyValue | undefined): Compare {
  const value = record?.modRevision ?? 0n;
  return create(CompareSchema, {
    key,
    target: Compare_CompareTarget.MOD,
    targetUnion: { case: 'modRevision', value },
  });
}

/** The key hangs on the lease. */
export function hangsOn(key: Uint8Array, lease: bigint): Compare {
  return create(CompareSchema, {
    key,
    target: Compare_CompareTarget.LEASE,
    targetUnion: { case: 'lease', value: lease },
  });
}

/** Sets a key. `lease` 0: it stays for good. */
export function put(key: Uint8Array, value: Uint8Array, lease = 0n): RequestOp {
  return create(RequestOpSchema, { request: { case: 'requestPut', value: { key, value, lease } } });
}

export function erase(key: Uint8Array): RequestOp {
  return create(RequestOpSchema, { request: { case: 'requestDeleteRange', value: { key } } });
}

/**
 * Makes a lease last from now on again. False when it is over. One short stream each time: a long one would have to be
 * watched, and opened anew on every member that goes.
 */
export async function keepAlive(client: EtcdClient, id: bigint, signal: AbortSignal): Promise<boolean> {
  const request = create(LeaseKeepAliveRequestSchema, { ID: id });
  return client.call(signal, async ({ lease }, options) => {
    for await (const { TTL } of lease.leaseKeepAlive(only(request), options)) return TTL > 0n;
    throw new Error('the answer to a renewal is missing');
  });
}

async function* only<T>(item: T): AsyncIterable<T> {
  yield item;
}
