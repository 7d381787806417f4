import { createVirtualClock, type Clock, type VirtualClock } from '@bascule/core';
import {
  Protocol,
  RegistryService,
  RemovalCause,
  type EndpointSchema,
  type Event,
  type WatchRequestSchema,
  type WatchResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { ConnectError, createClient, createRouterTransport, type Client, type Code } from '@connectrpc/connect';
import { causeOf } from '../src/endpoint-message.ts';
import { createRegistry, type RegistryOptions } from '../src/registry/registry.ts';
import { onClose } from './rig.ts';

export type EndpointInit = MessageInitShape<typeof EndpointSchema>;
export type RegistryClient = Client<typeof RegistryService>;

export const BASE = {
  instanceId: 'a',
  incarnation: 5n,
  host: '127.0.0.1',
  port: 1,
  protocol: Protocol.GRPC,
  services: ['demo.v1.A'],
};

/** A registry in this process, on a clock that moves when told to. */
export function openRegistry(options: Omit<Partial<RegistryOptions>, 'clock'> & { clock?: Clock } = {}) {
  const virtual = createVirtualClock();
  const registry = createRegistry({ clock: virtual, ...options });
  onClose(() => registry.close());
  const client = createClient(RegistryService, createRouterTransport(registry.routes));
  return { clock: virtual, registry, client, ...speakTo(client) };
}

/** Words that most tests say. */
export function speakTo(client: RegistryClient, headers: Record<string, string> = {}) {
  return {
    register: (
      overrides: Partial<EndpointInit> = {},
      { ttlMs = 15_000, schema = new Uint8Array(), namespace = '' }: Partial<Registering> = {},
    ) => {
      const endpoint = { ...BASE, ...overrides } as EndpointInit;
      return client.register({ endpoint, ttl: durationFromMs(ttlMs), schema, namespace }, { headers });
    },
    ids: async (namespace = '') =>
      (await client.list({ namespace }, { headers })).endpoints.map((e) => `${e.instanceId}#${e.incarnation}`).sort(),
    openWatch: (request: MessageInitShape<typeof WatchRequestSchema> = {}) => openWatch(client, request, headers),
  };
}

interface Registering {
  readonly ttlMs: number;
  readonly schema: Uint8Array;
  readonly namespace: string;
}

/** Reads a watch message by message. */
export function openWatch(
  client: RegistryClient,
  request: MessageInitShape<typeof WatchRequestSchema> = {},
  headers: Record<string, string> = {},
) {
  const abort = new AbortController();
  onClose(() => abort.abort());
  const messages = client.watch(request, { signal: abort.signal, headers })[Symbol.asyncIterator]();
  return { abort, next: async () => (await messages.next()).value as WatchResponse };
}

export const say = ({ event }: Event): string =>
  event.case === 'put'
    ? `put ${event.value.instanceId}#${event.value.incarnation}`
    : `${causeOf(event.value?.cause ?? RemovalCause.UNSPECIFIED)} ${event.value?.instanceId}#${event.value?.incarnation}`;

export const codeOf = (call: Promise<unknown>): Promise<Code | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => ConnectError.from(error).code,
  );

/** A clock that can go on while its timers do not: what a stopped process sees. */
export function createSleepyClock(): VirtualClock & { sleep(ms: number): void; suspend(ms: number): void } {
  const virtual = createVirtualClock();
  let sleptMs = 0;
  let suspendedMs = 0;
  return {
    nowMs: () => virtual.nowMs() + sleptMs,
    wallMs: () => virtual.wallMs() + sleptMs + suspendedMs,
    random: () => virtual.random(),
    after: (delayMs, fn) => virtual.after(delayMs, fn),
    advance: (byMs) => virtual.advance(byMs),
    pending: () => virtual.pending(),
    /** The process is stopped: time goes on without it. */
    sleep: (ms) => void (sleptMs += ms),
    /** The machine is: only the wall clock goes on. */
    suspend: (ms) => void (suspendedMs += ms),
  };
}
