import { createInterface } from 'node:readline';
import { createDial } from '@bascule/client';
import { systemClock, type Endpoint } from '@bascule/core';
import { registerWithAll, type ClosableTransport, type Credentials } from '@bascule/discovery';
import { nowMs } from '../time.ts';
import { eachOf } from './backends-process.ts';

export interface CrowdOptions {
  readonly url: string;
  readonly credentials: Credentials;
  readonly ttlMs: number;
}

/** Instances share this many connections, as those of one host that share a process do. */
const CONNECTIONS = 8;
const SERVICE = 'bench.crowd.v1.CrowdService';

interface Instance {
  close(): Promise<void>;
}

/**
 * Registers instances that exist on paper only. Lines: `start N CONCURRENCY`, `restart N CONCURRENCY` (the first N: a
 * newer incarnation registered, the older one deregistered), `end`.
 */
export async function run({ url, credentials, ttlMs }: CrowdOptions): Promise<void> {
  const instances: Instance[] = [];
  const dial = createSharedDial();
  let incarnation = Math.floor(nowMs());

  async function start(i: number): Promise<Instance> {
    const registrar = await registerWithAll({
      systems: [{ url, credentials, ttlMs }],
      endpoint: endpointOf(i, ++incarnation),
      schema: new Uint8Array(),
      clock: systemClock,
      dial,
    });
    await registrar.registered;
    return registrar;
  }

  console.log('{"ready":true}');
  for await (const line of createInterface({ input: process.stdin })) {
    const [what, ...numbers] = line.split(' ');
    const [count = 1, concurrency = 1] = numbers.map(Number);
    const startedMs = nowMs();
    if (what === 'start') {
      await eachOf(count, concurrency, async (i) => {
        instances[i] = await start(i);
      });
    }
    if (what === 'restart') {
      await eachOf(count, concurrency, async (i) => {
        await instances[i]?.close();
        instances[i] = await start(i);
      });
    }
    if (what === 'end') await eachOf(instances.length, 64, async (i) => instances[i]?.close());
    console.log(JSON.stringify({ startedMs, endedMs: nowMs(), incarnation }));
  }
}

function endpointOf(i: number, incarnation: number): Endpoint {
  return {
    instanceId: `crowd-${i}`,
    incarnation,
    host: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
    port: 8_080,
    protocol: 'grpc',
    codecs: ['proto'],
    weight: 1,
    priority: 0,
    zone: 'bench',
    services: [SERVICE],
    schemaDigest: '',
    moduleVersion: '1.0.0',
    labels: { rack: String(i % 40) },
  };
}

function createSharedDial(): (baseUrl: string, credentials: Credentials) => ClosableTransport {
  const dial = createDial(systemClock);
  const shared = new Map<string, ClosableTransport>();
  let turn = 0;
  return (baseUrl, credentials) => {
    const key = `${baseUrl} ${turn++ % CONNECTIONS}`;
    const transport = shared.get(key) ?? dial(baseUrl, credentials);
    shared.set(key, transport);
    // It outlives the instances that share it.
    return { unary: transport.unary.bind(transport), stream: transport.stream.bind(transport), close: async () => {} };
  };
}
