import type { KeyValue, RangeResponse } from '@bascule/schema/gen/peers/etcd/rpc_pb.ts';
import { Code } from '@connectrpc/connect';
import type { EtcdClient } from './client.ts';
import { EtcdError } from './errors.ts';
import { endOfRange } from './location.ts';

/** Some 500 KB for records as they mostly are. */
const PAGE = 1_000;
const MAX_RECORDS = 100_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** All records of one revision. */
export interface Snapshot {
  readonly records: readonly KeyValue[];
  readonly clusterId: bigint;
  readonly revision: bigint;
}

/** Reads page by page, all of them as they were when the first was read, from a member that is up to date. */
export async function readRecords(client: EtcdClient, prefix: string, signal: AbortSignal): Promise<Snapshot> {
  const records: KeyValue[] = [];
  const rangeEnd = endOfRange(prefix);
  let key: Uint8Array = Buffer.from(prefix);
  let at: { clusterId: bigint; revision: bigint } | undefined;
  let bytes = 0;
  for (;;) {
    const { header, kvs, more } = await readPage(client, { key, rangeEnd, revision: at?.revision ?? 0n }, signal);
    at ??= { clusterId: header?.clusterId ?? 0n, revision: header?.revision ?? 0n };
    for (const record of kvs) {
      bytes += record.key.length + record.value.length;
      records.push(record);
    }
    if (bytes > MAX_BYTES || records.length > MAX_RECORDS) {
      throw new Error(`etcd has more than ${MAX_RECORDS} records or ${MAX_BYTES} bytes below ${prefix}`);
    }
    const last = kvs.at(-1);
    if (!more || last === undefined) return { records, ...at };
    key = Buffer.concat([last.key, Buffer.of(0)]);
  }
}

interface PageStart {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly revision: bigint;
}

/** A shorter page where records are so large that one message cannot hold it. */
async function readPage(client: EtcdClient, start: PageStart, signal: AbortSignal): Promise<RangeResponse> {
  for (let limit = PAGE; ; limit = Math.floor(limit / 8)) {
    try {
      const request = { ...start, limit: BigInt(limit) };
      return await client.call(signal, ({ kv }, options) => kv.range(request, options));
    } catch (error) {
      const isTooLarge = error instanceof EtcdError && error.code === Code.ResourceExhausted;
      if (!isTooLarge || limit < 8) throw error;
    }
  }
}
