import type { Endpoint } from '@bascule/core';
import { createHttpClient } from '../peers/http.ts';
import { createNacosClient, type NacosAddress } from '../peers/nacos/client.ts';
import { claimsOf, toRegistered } from '../peers/nacos/records.ts';
import { checkNacosCredentials, readNacosUrl } from '../peers/nacos/target.ts';
import { SpecError } from '../spec.ts';
import { createRefusals, refuseOlder } from './refusals.ts';
import { LeaseLost, type Registration, type RegistrationOptions, type RegistrarDriver } from './registration.ts';

/** Registers as an ephemeral instance of the service that the URL names, or of one with the name of the endpoint's first. */
export function openNacosRegistrar(options: RegistrationOptions): RegistrarDriver {
  const { credentials, clock, ttlMs } = options;
  const target = readNacosUrl(options.url);
  checkNacosCredentials(credentials);
  if (target.names.length > 1 || target.cluster.includes(',')) {
    throw new SpecError('an instance is of one service of Nacos, and of one cluster: give one of each');
  }
  const http = createHttpClient({ origins: target.origins, tls: credentials.tls, clock });
  const client = createNacosClient({ http, target, credentials, clock });
  const refusals = createRefusals();

  function addressOf({ services, host, port }: Endpoint): NacosAddress {
    return { service: target.names[0] ?? services[0] ?? '', ip: host, port };
  }

  /** The newest process of an instance that a service has; 0 for none. */
  async function knownOf(instanceId: string, service: string, signal: AbortSignal): Promise<number> {
    const claims = claimsOf(await client.list(service, signal)).filter((claim) => claim.instanceId === instanceId);
    return Math.max(0, ...claims.map((claim) => claim.incarnation));
  }

  async function register(endpoint: Endpoint, signal: AbortSignal): Promise<Registration> {
    const address = addressOf(endpoint);
    try {
      refuseOlder(endpoint, await knownOf(endpoint.instanceId, address.service, signal), 'Nacos');
      await client.register(address, toRegistered(endpoint, ttlMs), signal);
    } catch (error) {
      throw refusals.of(error);
    }
    refusals.sufficed();
    let registered = endpoint;
    return {
      ttlMs,
      async renew(next, renewing) {
        if (!(await client.renew(address, renewing))) {
          throw new LeaseLost(`Nacos does not know ${address.ip}:${address.port} of ${address.service}`);
        }
        const { weight, labels, health } = registered;
        if (next.weight === weight && next.labels === labels && next.health === health) return;
        await client.register(address, toRegistered(next, ttlMs), renewing);
        registered = next;
      },
      async remove(removing) {
        // Whoever took our address over is at it now, and would be removed in our place.
        const claims = claimsOf(await client.list(address.service, removing));
        const present = claims.find(({ ip, port }) => ip === address.ip && port === address.port);
        const isOurs = present?.instanceId === endpoint.instanceId && present.incarnation <= endpoint.incarnation;
        if (present === undefined || isOurs) await client.deregister(address, removing);
      },
    };
  }

  return {
    register,
    async close() {
      http.close();
    },
  };
}
