import type { Clock, Endpoint } from '@bascule/core';
import { parseSystemUrl } from './peers/hosts.ts';
import type { EndpointUpdate, Registrar, RegistrarEvent } from './registrar.ts';
import type { Credentials, SystemOptions } from './spec.ts';
import { openRegistrar } from './systems.ts';

/** One system to register with. */
export interface RegistrySystem {
  /** As in `http://127.0.0.1:7070` or `consul://127.0.0.1:8500`; docs/discovery.md lists the schemes. */
  readonly url: string;
  readonly credentials: Credentials;
  /** 1,000 to 600,000 ms. */
  readonly ttlMs: number;
}

export interface RegisterOptions extends Pick<SystemOptions, 'dial'> {
  readonly systems: readonly RegistrySystem[];
  readonly endpoint: Endpoint;
  /** Descriptors with the digest `endpoint.schemaDigest`, or empty. */
  readonly schema: Uint8Array;
  readonly clock: Clock;
  onEvent?(url: string, event: RegistrarEvent): void;
}

/**
 * Registers with several systems that know nothing of each other, each by itself. `registered` resolves at the first
 * registration anywhere, and rejects when all have refused for good. Throws SpecError for a URL that cannot work.
 */
export async function registerWithAll(options: RegisterOptions): Promise<Registrar> {
  const { endpoint, schema, clock } = options;
  const open = ({ url, credentials, ttlMs }: RegistrySystem): Promise<Registrar> =>
    openRegistrar({
      url: parseSystemUrl(url),
      credentials,
      endpoint,
      schema,
      ttlMs,
      clock,
      dial: (baseUrl, given) => options.dial(baseUrl, given),
      onEvent: (event) => options.onEvent?.(url, event),
    });
  const opened = await Promise.allSettled(options.systems.map(open));
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
    update: (update: EndpointUpdate) => registrars.forEach((registrar) => registrar.update(update)),
    async close() {
      await Promise.all(registrars.map((registrar) => registrar.close()));
    },
  };
}
