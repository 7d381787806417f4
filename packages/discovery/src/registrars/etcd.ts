import { endpointKey, type Endpoint } from '@bascule/core';
import { Code } from '@connectrpc/connect';
import { openEtcdClient, type EtcdClient } from '../peers/etcd/client.ts';
import { EtcdError } from '../peers/etcd/errors.ts';
import { erase, hangsOn, isUnchanged, keepAlive, put, readKey, writeIf } from '../peers/etcd/guarded-writes.ts';
import { LEFT, parseEtcdUrl, type EtcdLocation } from '../peers/etcd/location.ts';
import { formatOwn, incarnationOf, packOwn, refuseOlder } from '../peers/fenced-record.ts';
import { SpecError } from '../spec.ts';
import { LeaseLost, type Registration, type RegistrationOptions, type RegistrarDriver } from './registration.ts';

/** Others may write the same key between our reading and our writing. */
const MAX_TRIES = 5;

/** Registers with etcd, under a lease. See `parseEtcdUrl` for the URL. */
export function openEtcdRegistrar(options: RegistrationOptions): RegistrarDriver {
  const { url, ttlMs } = options;
  const location = parseEtcdUrl(url);
  if (location.layout !== 'ours') throw new SpecError(`${url.href}: layout=naming can be read, not written`);
  const client = openEtcdClient(options, location);
  return {
    async register(endpoint, signal) {
      const value = formatOwn(endpoint);
      const schema = await packOwn(endpoint, options.schema);
      if (schema !== undefined) await offerSchema(client, location.schemaKey(endpoint.schemaDigest), schema, signal);
      return registerUnderLease({ client, location, ttlMs }, endpoint, value, signal);
    },
    close: () => client.close(),
  };
}

interface Place {
  readonly client: EtcdClient;
  readonly location: EtcdLocation;
  readonly ttlMs: number;
}

async function registerUnderLease(
  { client, location, ttlMs }: Place,
  endpoint: Endpoint,
  value: Uint8Array,
  signal: AbortSignal,
): Promise<Registration> {
  const key = Buffer.from(location.recordsPrefix + endpoint.instanceId);
  let before = await readKey(client, key, signal);
  refuseOlder(endpoint, before?.value);
  const request = { TTL: BigInt(Math.ceil(ttlMs / 1_000)) };
  const { ID: lease, TTL } = await client.call(signal, ({ lease }, options) => lease.leaseGrant(request, options));
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (await writeIf(client, isUnchanged(key, before), [put(key, value, lease)], signal)) {
      return createRegistration({ client, location, key, lease, ttlMs: Number(TTL) * 1_000 }, endpoint);
    }
    before = await readKey(client, key, signal);
    refuseOlder(endpoint, before?.value);
  }
  throw new Error(`others write the key of ${endpoint.instanceId} in etcd again and again`);
}

interface Lease {
  readonly client: EtcdClient;
  readonly location: EtcdLocation;
  readonly key: Uint8Array;
  readonly lease: bigint;
  readonly ttlMs: number;
}

function createRegistration({ client, location, key, lease, ttlMs }: Lease, registered: Endpoint): Registration {
  const left = put(Buffer.from(location.recordsPrefix + LEFT), Buffer.from(endpointKey(registered)));
  return {
    ttlMs,
    async renew(endpoint, signal) {
      if (!(await keepAlive(client, lease, signal))) throw new LeaseLost('etcd does not know the lease any more');
      const record = await readKey(client, key, signal);
      const there = incarnationOf(record?.value, endpoint.instanceId);
      if (record === undefined || there !== endpoint.incarnation) throw new LeaseLost('the key is not ours any more');
      const value = formatOwn(endpoint);
      // The same process may be registered twice: whoever has nothing to say does not fight over the key.
      if (value.equals(record.value)) return;
      const isWritten = await writeIf(client, isUnchanged(key, record), [put(key, value, lease)], signal);
      if (!isWritten) throw new Error('somebody else wrote the key in between');
    },
    async remove(signal) {
      await writeIf(client, hangsOn(key, lease), [left, erase(key)], signal);
      await revoke(client, lease, signal);
    },
  };
}

async function revoke(client: EtcdClient, lease: bigint, signal: AbortSignal): Promise<void> {
  try {
    await client.call(signal, ({ lease: service }, options) => service.leaseRevoke({ ID: lease }, options));
  } catch (error) {
    const isOver = error instanceof EtcdError && error.code === Code.NotFound;
    if (!isOver) throw error;
  }
}

/** Descriptors stay when their instances have gone: others may name them, and nobody counts. */
async function offerSchema(
  client: EtcdClient,
  key: Uint8Array,
  schema: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  await writeIf(client, isUnchanged(key, undefined), [put(key, schema)], signal);
}
