import type { Endpoint } from '@bascule/core';
import { createConsulAgent, toCheckId, toCheckStatus, type ConsulAgent } from '../peers/consul/agent.ts';
import { whyTooLarge } from '../peers/consul/meta.ts';
import { incarnationOf, toDefinition } from '../peers/consul/records.ts';
import { readConsulUrl, toConsulHeaders } from '../peers/consul/target.ts';
import { createHttpClient } from '../peers/http.ts';
import { SpecError } from '../spec.ts';
import { createRefusals, refuseOlder } from './refusals.ts';
import {
  LeaseLost,
  RegistrationRefused,
  type Registration,
  type RegistrationOptions,
  type RegistrarDriver,
} from './registration.ts';

/**
 * Registers with the agent that the URL names, as the service of its path or as the endpoint's first, with a check that
 * passes for as long as it is renewed.
 */
export function openConsulRegistrar(options: RegistrationOptions): RegistrarDriver {
  const { credentials, clock, ttlMs } = options;
  const target = readConsulUrl(options.url);
  if (target.names.length > 1) throw new SpecError('an instance is one service of Consul: name one in the path');
  const headers = toConsulHeaders(credentials);
  const http = createHttpClient({ origins: target.origins, tls: credentials.tls, headers, clock });
  const agent = createConsulAgent(http, target);
  const deregisterAfterMs = Math.max(target.deregisterAfterMs, ttlMs);
  const refusals = createRefusals();

  async function announce(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    const name = target.names[0] ?? endpoint.services[0] ?? '';
    const definition = toDefinition(endpoint, name, target.tags);
    const why = whyTooLarge(definition.Meta);
    if (why !== undefined) throw new RegistrationRefused(why);
    const Check = {
      CheckID: toCheckId(endpoint),
      Name: 'Renewed by the instance',
      TTL: `${ttlMs}ms`,
      Status: toCheckStatus(endpoint.health),
      DeregisterCriticalServiceAfter: `${deregisterAfterMs}ms`,
    };
    await agent.register({ ...definition, Check }, signal);
  }

  async function register(endpoint: Endpoint, signal: AbortSignal): Promise<Registration> {
    const { instanceId, incarnation } = endpoint;
    try {
      const before = await agent.service(instanceId, signal);
      const known = incarnationOf(before);
      refuseOlder(endpoint, known, 'Consul');
      await announce(endpoint, signal);
      if (before !== undefined && known !== incarnation) await agent.clear(endpoint, signal);
    } catch (error) {
      throw refusals.of(error);
    }
    const registration = createRegistration(endpoint, { agent, ttlMs, announce });
    await registration.renew(endpoint, signal);
    refusals.sufficed();
    return registration;
  }

  return {
    register,
    async close() {
      http.close();
    },
  };
}

interface Means {
  readonly agent: ConsulAgent;
  readonly ttlMs: number;
  readonly announce: (endpoint: Endpoint, signal: AbortSignal) => Promise<void>;
}

function createRegistration(first: Endpoint, { agent, ttlMs, announce }: Means): Registration {
  const { instanceId, incarnation } = first;
  let announced = first;
  let isDraining = false;
  return {
    ttlMs,
    async renew(endpoint, signal) {
      // Before all else: it fails when a newer incarnation has taken over, which must not be overwritten.
      if (!(await agent.renew(endpoint, signal))) {
        throw new LeaseLost(`the agent of Consul does not know ${instanceId} with incarnation ${incarnation}`);
      }
      if (endpoint.weight !== announced.weight || endpoint.labels !== announced.labels) {
        await announce(endpoint, signal);
        announced = endpoint;
      }
      if (isDraining === (endpoint.health === 'draining')) return;
      await agent.maintain(instanceId, !isDraining, signal);
      isDraining = !isDraining;
    },
    async remove(signal) {
      if (incarnationOf(await agent.service(instanceId, signal)) === incarnation) {
        await agent.deregister(instanceId, signal);
      }
    },
  };
}
