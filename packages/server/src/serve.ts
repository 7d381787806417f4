import { sleep, systemClock, type Clock, type Endpoint } from '@bascule/core';
import type { EndpointUpdate } from '@bascule/discovery';
import { createKit, type Kit } from '@bascule/kit';
import { listen, type Listener } from '@bascule/wire';
import { createTreatment } from './calls/treatment.ts';
import { createEndpoint, registriesOf, validateOptions } from './endpoint.ts';
import type { ServeOptions } from './options.ts';
import { startRegistration, type Registration } from './registration.ts';

/** A server that takes calls. */
export interface Server {
  readonly port: number;
  /** What the server says of itself, also where it registers nowhere. */
  readonly endpoint: Endpoint;
  /** Resolves at the first registration, at once without a registry; rejects when the registry refuses for good. */
  readonly registered: Promise<void>;
  /**
   * Says something new of the server where it is registered: `{ health: 'draining' }` or `'failing'` keeps new calls
   * away, `'healthy'` brings them back.
   */
  update(update: EndpointUpdate): void;
  /**
   * Says so to who asks for its health, deregisters, gives watchers time to hear of it, then takes nothing new, lets
   * open calls finish and closes. Never rejects. Signals of the process are the caller's to handle.
   */
  close(): Promise<void>;
}

const DEFAULT_DRAIN_TIMEOUT_MS = 30_000;
const DEFAULT_PROPAGATION_MS = 500;

/**
 * One connection of a gateway carries the calls of many, and resets those that they give up. The gateway is strict with
 * each of them; who were as strict with the gateway would lose the good calls with the bad ones.
 */
const LISTEN_LIMITS = { resetBurst: 10_000, resetPerSecond: 1_000, maxUnsettledStreams: 1_024 };

/** Serves Connect route functions over gRPC, gRPC-Web and Connect, and registers by itself. */
export async function serve(options: ServeOptions): Promise<Server> {
  validateOptions(options);
  const clock = options.clock ?? systemClock;
  const treatment = options.calls && createTreatment(options.calls, clock);
  const kit = createKit({ ...options, ...(treatment && { layerOf: (method) => treatment.layerOf(method) }) });
  treatment?.validate();
  if (registriesOf(options).length > 0 && kit.services.length === 0) {
    throw new Error('routes registers no service, so nobody could find this server: call router.service in it');
  }
  const { host = '127.0.0.1', port = 0, tls } = options;
  const listener = await listen({
    host,
    port,
    service: kit.service,
    clock,
    limits: LISTEN_LIMITS,
    ...(tls && { tls }),
  });
  const endpoint = createEndpoint({ ...options, clock, kit, port: listener.port });
  const registration = await register({ options, endpoint, kit, clock }).catch(async (error: unknown) => {
    await listener.close(0);
    throw error;
  });
  let closing: Promise<void> | undefined;
  return {
    port: listener.port,
    endpoint,
    registered: registration?.registered ?? Promise.resolve(),
    update: (update) => registration?.update(update),
    close: () => (closing ??= close({ options, kit, listener, registration })),
  };
}

async function register(parts: {
  options: ServeOptions;
  endpoint: Endpoint;
  kit: Kit;
  clock: Clock;
}): Promise<Registration | undefined> {
  const { options, ...rest } = parts;
  const registries = registriesOf(options);
  if (registries.length === 0) return undefined;
  return startRegistration({ registries, ...rest, onEvent: (event) => options.onEvent?.(event) });
}

async function close(parts: {
  options: ServeOptions;
  kit: Kit;
  listener: Listener;
  registration: Registration | undefined;
}): Promise<void> {
  const { options, kit, listener, registration } = parts;
  const clock = options.clock ?? systemClock;
  kit.drain();
  const wasKnown = (await registration?.close()) ?? false;
  // Who has not heard yet still sends calls here, and they are served.
  if (wasKnown) await sleep(clock, options.propagationMs ?? DEFAULT_PROPAGATION_MS);
  options.onEvent?.({ type: 'draining', openCalls: listener.openCalls() });
  kit.endWatches();
  await listener.close(options.drainTimeoutMs ?? DEFAULT_DRAIN_TIMEOUT_MS);
}
