import { createNodeTransport } from '@bascule/client';
import type { Clock, Endpoint } from '@bascule/core';
import { createRegistrar, createRegistryRegistrar, type RegistrarEvent } from '@bascule/discovery';
import { createBearerInterceptor, type Kit } from '@bascule/kit';
import type { ServeRegistry } from './options.ts';

const DEFAULT_TTL_MS = 15_000;

/** A registration with the connection that it runs over. */
export interface Registration {
  readonly registered: Promise<void>;
  /** Deregisters and closes the connection. True when others may still think that the server is there. */
  close(): Promise<boolean>;
}

/** Registers `endpoint` and keeps it so. */
export function startRegistration(options: {
  registry: ServeRegistry;
  endpoint: Endpoint;
  kit: Kit;
  clock: Clock;
  onEvent: (event: RegistrarEvent) => void;
}): Registration {
  const { registry, kit } = options;
  const interceptors = registry.token === undefined ? [] : [createBearerInterceptor(registry.token)];
  const transport = createNodeTransport({ baseUrl: registry.url, interceptors, clock: options.clock });
  let wasRegistered = false;
  const registrar = createRegistrar({
    driver: createRegistryRegistrar({
      transport,
      namespace: '',
      schema: kit.schema,
      ttlMs: registry.ttlMs ?? DEFAULT_TTL_MS,
    }),
    endpoint: options.endpoint,
    clock: options.clock,
    onEvent(event) {
      if (event.type === 'registered') wasRegistered = true;
      options.onEvent(event);
    },
  });
  return {
    registered: registrar.registered,
    async close() {
      await registrar.close();
      await transport.close();
      return wasRegistered;
    },
  };
}
