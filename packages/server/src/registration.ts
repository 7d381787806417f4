import { createDial } from '@bascule/client';
import type { Clock, Endpoint } from '@bascule/core';
import { registerWithAll, type Registrar } from '@bascule/discovery';
import type { Kit } from '@bascule/kit';
import type { RegistrationEvent, ServeRegistry } from './options.ts';

const DEFAULT_TTL_MS = 15_000;

/** A server's word to every registry that it is to be found in. */
export interface Registration extends Pick<Registrar, 'registered' | 'update'> {
  /** Deregisters everywhere. True when others may still think that the server is there. */
  close(): Promise<boolean>;
}

/** Registers `endpoint` with all of `registries`. Throws SpecError for a URL that cannot work. */
export async function startRegistration(options: {
  registries: readonly ServeRegistry[];
  endpoint: Endpoint;
  kit: Kit;
  clock: Clock;
  onEvent: (event: RegistrationEvent) => void;
}): Promise<Registration> {
  const { clock, endpoint, kit } = options;
  let wasRegistered = false;
  const registrar = await registerWithAll({
    systems: options.registries.map(({ url, ttlMs = DEFAULT_TTL_MS, ...credentials }) => ({ url, ttlMs, credentials })),
    endpoint,
    schema: kit.schema,
    clock,
    dial: createDial(clock),
    onEvent(registry, event) {
      if (event.type === 'registered') wasRegistered = true;
      options.onEvent({ ...event, registry });
    },
  });
  return {
    registered: registrar.registered,
    update: (update) => registrar.update(update),
    async close() {
      await registrar.close();
      return wasRegistered;
    },
  };
}
