import type { Endpoint } from '@bascule/core';
import { createInstanceClient, type InstanceClient } from '../peers/eureka/instance-client.ts';
import { incarnationOf, toRaw, toStatus } from '../peers/eureka/records.ts';
import { readEurekaUrl, toEurekaHeaders } from '../peers/eureka/target.ts';
import { createHttpClient } from '../peers/http.ts';
import { numberAt, objectAt, textAt, type JsonObject } from '../peers/json.ts';
import { createRefusals, refuseOlder } from './refusals.ts';
import { LeaseLost, type Registration, type RegistrationOptions, type RegistrarDriver } from './registration.ts';

/** Registers as an instance of the application that the URL names, or of one with the name of the endpoint's first service. */
export function openEurekaRegistrar(options: RegistrationOptions): RegistrarDriver {
  const { credentials, clock } = options;
  const target = readEurekaUrl(options.url);
  const headers = toEurekaHeaders(credentials);
  const http = createHttpClient({ origins: target.origins, tls: credentials.tls, headers, clock });
  /** Eureka counts leases in seconds. */
  const durationSeconds = Math.ceil(options.ttlMs / 1_000);
  const refusals = createRefusals();

  async function register(endpoint: Endpoint, signal: AbortSignal): Promise<Registration> {
    const app = target.app ?? (endpoint.services[0] ?? '').toUpperCase();
    const client = createInstanceClient({ http, path: target.basePath, app, instanceId: endpoint.instanceId });
    try {
      const before = await client.get(signal);
      refuseOlder(endpoint, before === undefined ? 0 : incarnationOf(before), 'Eureka');
      let dirtyMs = Math.max(clock.wallMs(), (before && numberAt(before, 'lastDirtyTimestamp')) || 0);
      const post = (next: Endpoint, posting: AbortSignal): Promise<void> =>
        client.register(toRaw(next, { app, durationSeconds, dirtyMs: ++dirtyMs }), posting);
      await post(endpoint, signal);
      // What an instance said of itself outlives it in Eureka; what an operator said is to outlive it.
      if (before !== undefined && wasSaidByItself(before)) await client.clearStatus(signal);
      if (toStatus(endpoint.health) !== 'UP') await client.setStatus(toStatus(endpoint.health), signal);
      refusals.sufficed();
      return createRegistration(endpoint, { client, post, ttlMs: durationSeconds * 1_000 });
    } catch (error) {
      throw refusals.of(error);
    }
  }

  return {
    register,
    async close() {
      http.close();
    },
  };
}

interface Means {
  readonly client: InstanceClient;
  readonly ttlMs: number;
  readonly post: (endpoint: Endpoint, signal: AbortSignal) => Promise<void>;
}

function createRegistration(first: Endpoint, { client, post, ttlMs }: Means): Registration {
  let posted = first;

  /** Whether what Eureka has is still ours: its heartbeats know ids alone, and a newer process has the same. */
  async function isOurs(signal: AbortSignal): Promise<boolean> {
    const present = await client.get(signal);
    return present !== undefined && incarnationOf(present) === first.incarnation;
  }

  return {
    ttlMs,
    async renew(endpoint, signal) {
      if (!(await isOurs(signal)) || !(await client.renew(signal))) {
        throw new LeaseLost(`Eureka does not know ${first.instanceId} with incarnation ${first.incarnation}`);
      }
      const { weight, labels, health } = posted;
      if (endpoint.weight === weight && endpoint.labels === labels && endpoint.health === health) return;
      await post(endpoint, signal);
      const [was, is] = [toStatus(health), toStatus(endpoint.health)];
      if (is !== was) await (is === 'UP' ? client.clearStatus(signal) : client.setStatus(is, signal));
      posted = endpoint;
    },
    async remove(signal) {
      if (await isOurs(signal)) await client.remove(signal);
    },
  };
}

function wasSaidByItself(before: JsonObject): boolean {
  return textAt(objectAt(before, 'metadata'), 'bascule-health') !== '';
}
