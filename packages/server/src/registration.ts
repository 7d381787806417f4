import { createDial } from '@bascule/client';
import type { Clock, Endpoint } from '@bascule/core';
import { openRegistrar, type EndpointUpdate, type Registrar } from '@bascule/discovery';
import type { Kit } from '@bascule/kit';
import type { RegistrationEvent, ServeRegistry } from './options.ts';

const DEFAULT_TTL_MS = 15_000;

/** A server's word to every registry that it is to be found in. */
export interface Registration {
  /** Resolves at the first registration anywhere; rejects when every registry has refused for good. */
  readonly registered: Promise<void>;
  update(update: EndpointUpdate): void;
  /** Deregisters everywhere. True when others may still think that the server is there. */
  close(): Promise<boolean>;
}

/** Registers `endpoint` with all of `registries`, each by itself. Throws SpecError for a URL that cannot work. */
export async function startRegistration(options: {
  registries: readonly ServeRegistry[];
  endpoint: Endpoint;
  kit: Kit;
  clock: Clock;
  onEvent: (event: RegistrationEvent) => void;
}): Promise<Registration> {
  const { clock, endpoint, kit } = options;
  let wasRegistered = false;
  const open = ({ url, ttlMs = DEFAULT_TTL_MS, ...credentials }: ServeRegistry): Promise<Registrar> =>
    openRegistrar({
      url: new URL(url),
      credentials,
      endpoint,
      schema: kit.schema,
      ttlMs,
      clock,
      dial: createDial(clock),
      onEvent(event) {
        if (event.type === 'registered') wasRegistered = true;
        options.onEvent({ ...event, registry: url });
      },
    });
  const opened = await Promise.allSettled(options.registries.map(open));
  const registrars = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await Promise.all(registrars.map((registrar) => registrar.close()));
    throw failed.reason;
  }
  const registered = Promise.any(registrars.map((registrar) => registrar.registered)).catch((error: AggregateError) => {
    throw error.errors[0];
  });
  // Who does not ask for it is told by onEvent.
  registered.catch(() => undefined);
  return {
    registered,
    update: (update) => registrars.forEach((registrar) => registrar.update(update)),
    async close() {
      await Promise.all(registrars.map((registrar) => registrar.close()));
      return wasRegistered;
    },
  };
}
