import type { Endpoint } from '@bascule/core';
import { HttpError } from '../peers/http-answer.ts';
import { createHttpClient } from '../peers/http.ts';
import { createNacosClient, type NacosAddress } from '../peers/nacos/client.ts';
import { claimsOf, toRegistered } from '../peers/nacos/records.ts';
import { checkNacosCredentials, readNacosUrl } from '../peers/nacos/target.ts';
import { SpecError } from '../spec.ts';
import {
  LeaseLost,
  RegistrationRefused,
  type Registration,
  type RegistrationOptions,
  type RegistrarDriver,
} from './registration.ts';

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
  /** Rights that sufficed once: when they do not any more, somebody will mend that. */
  let hasSufficed = false;

  function addressOf({ services, host, port }: Endpoint): NacosAddress {
    return { service: target.names[0] ?? services[0] ?? '', ip: host, port };
  }

  async function refuseOlder(
    { instanceId, incarnation }: Endpoint,
    service: string,
    signal: AbortSignal,
  ): Promise<void> {
    const claims = claimsOf(await client.list(service, signal)).filter((claim) => claim.instanceId === instanceId);
    const known = Math.max(0, ...claims.map((claim) => claim.incarnation));
    if (known <= incarnation) return;
    throw new RegistrationRefused(
      `Nacos knows ${instanceId} with incarnation ${known}; ours, ${incarnation}, is older`,
    );
  }

  async function register(endpoint: Endpoint, signal: AbortSignal): Promise<Registration> {
    const address = addressOf(endpoint);
    try {
      await refuseOlder(endpoint, address.service, signal);
      await client.register(address, toRegistered(endpoint, ttlMs), signal);
    } catch (error) {
      throw toRefusal(error, hasSufficed);
    }
    hasSufficed = true;
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

/** What repeating cannot change: the record is unsound, or rights are missing that were never there. */
function toRefusal(error: unknown, hasSufficed: boolean): unknown {
  if (!(error instanceof HttpError)) return error;
  const isFinal = error.status === 400 || ((error.status === 401 || error.status === 403) && !hasSufficed);
  return isFinal ? new RegistrationRefused(error.message, { cause: error }) : error;
}
