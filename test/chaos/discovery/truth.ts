import { createDial } from '@bascule/client';
import { endpointKey, systemClock } from '@bascule/core';
import { openSource } from '@bascule/discovery';
import type { ListEndpointsResponse } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { ChaosService } from '../schema.ts';
import type { Backend } from './backends.ts';
import type { System } from './systems.ts';
import type { World } from './world.ts';

/** Who lives, whatever anybody says. */
export interface Living {
  /** By their own names. */
  readonly backends: Map<string, Backend>;
  readonly identify: NonNullable<System['identify']>;
}

/** An endpoint as its identity and its address. */
interface Shown {
  readonly instanceId: string;
  readonly incarnation: number | bigint;
  readonly address: string;
}

const PATIENCE_MS = 90_000;

const toLine = ({ instanceId, incarnation, address }: Shown): string => `${instanceId}#${incarnation} at ${address}`;

/** Those who live, each in a line, in order. */
export function listLiving({ backends, identify }: Living): string[] {
  return [...backends.values()].map((backend) => toLine({ ...identify(backend), address: backend.address })).sort();
}

/** Whether somebody who lives is shown as taking calls. Nobody has to be when nobody lives. */
export function isAnyCallable({ endpoints }: ListEndpointsResponse, living: Living): boolean {
  const alive = new Set(listLiving(living));
  const isCallable = endpoints.some(
    (endpoint) => alive.has(toLine(endpoint)) && (endpoint.state === 'ready' || endpoint.state === 'absent'),
  );
  return isCallable || alive.size === 0;
}

/** Resolves with the milliseconds until the gateway shows exactly who lives, all well, and hears every source. */
export function untilTrue({ living, observer }: World): Promise<number> {
  const alive = listLiving(living).join(', ');
  const isTrue = ({ endpoints, sources }: ListEndpointsResponse): boolean =>
    endpoints.map(toLine).sort().join(', ') === alive &&
    endpoints.every(({ state }) => state === 'ready') &&
    sources.every(({ state }) => state === 'connected');
  return observer().until(`there are ${alive}`, isTrue, PATIENCE_MS);
}

/** Resolves when the gateway sends calls to a backend. */
export async function untilShown({ living, observer }: World, backend: Backend): Promise<void> {
  const line = toLine({ ...living.identify(backend), address: backend.address });
  const isShown = ({ endpoints }: ListEndpointsResponse): boolean =>
    endpoints.some((endpoint) => toLine(endpoint) === line && endpoint.state === 'ready');
  await observer().until(`${line} is ready`, isShown, PATIENCE_MS);
}

/** Resolves when a system tells somebody who asks it for the first time exactly who lives. */
export async function untilTold({ name, urlAt, server, credentials }: System, { living }: World): Promise<void> {
  const clock = systemClock;
  const source = await openSource({
    url: new URL(urlAt(server.port)),
    credentials,
    clock,
    dial: createDial(clock),
    env: {},
    baseDir: '/',
    schemas: new Map(),
    defaults: { services: [ChaosService.typeName], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' },
  });
  const told = new Map<string, string>();
  const alive = listLiving(living).join(', ');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const tell = (): string => [...told.values()].sort().join(', ');
  const timer = setTimeout(() => {
    reject(new Error(`${name} tells ${tell() || 'nobody'} after ${PATIENCE_MS} ms, and there are ${alive}`));
  }, PATIENCE_MS);
  source.start({
    changes(changes) {
      for (const change of changes) {
        if (change.type === 'remove' || change.type === 'doubt') told.delete(change.key);
        else {
          const { endpoint } = change;
          const isWell = endpoint.health === undefined;
          const line = toLine({ ...endpoint, address: `${endpoint.host}:${endpoint.port}` });
          told.set(endpointKey(endpoint), isWell ? line : `${line}, which is ${endpoint.health}`);
        }
      }
      if (tell() === alive) resolve();
    },
    status: () => {},
    schema: () => {},
    warning: () => {},
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    await source.close();
  }
}
