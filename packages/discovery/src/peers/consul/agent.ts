import type { Endpoint, EndpointHealth } from '@bascule/core';
import { HttpError } from '../http-answer.ts';
import type { HttpClient } from '../http.ts';
import { isObject, textAt, type JsonObject } from '../json.ts';
import { toQuery } from './asking.ts';
import type { ConsulTarget } from './target.ts';

/** What an instance asks of the agent beside it. */
export interface ConsulAgent {
  /** What the agent has under an id; undefined for nothing. */
  service(instanceId: string, signal: AbortSignal): Promise<unknown>;
  /** Makes it known, or replaces it. Checks that are not in it stay. */
  register(definition: JsonObject, signal: AbortSignal): Promise<void>;
  /** Renews, and says how the instance is. False when the agent does not know it, or knows a newer one. */
  renew(endpoint: Endpoint, signal: AbortSignal): Promise<boolean>;
  maintain(instanceId: string, isDraining: boolean, signal: AbortSignal): Promise<void>;
  /** Ends what an older incarnation left: its check, and its maintenance. */
  clear(endpoint: Endpoint, signal: AbortSignal): Promise<void>;
  deregister(instanceId: string, signal: AbortSignal): Promise<void>;
}

/** Tells our maintenance from an operator's, which is not ours to end. */
const DRAINING = 'bascule: draining';
const CHECK_PREFIX = 'bascule:';
const MAINTENANCE_PREFIX = '_service_maintenance';
/** Consul's words differ by version and by whether it has ACLs; old ones say 500, newer ones 404. */
const UNKNOWN = /unknown (?:check|service)|does not have associated TTL/i;

/** With the incarnation in it, so that an old process cannot renew its successor. */
export function toCheckId({ instanceId, incarnation }: Endpoint): string {
  return `${CHECK_PREFIX}${instanceId}:${incarnation}`;
}

/** The state of our check. Who drains is well; maintenance says the rest. */
export function toCheckStatus(health: EndpointHealth | undefined): 'passing' | 'critical' {
  return health === 'failing' ? 'critical' : 'passing';
}

export function createConsulAgent(http: HttpClient, target: ConsulTarget): ConsulAgent {
  function toPath(path: string, parameters: Readonly<Record<string, string>> = {}): string {
    const query = toQuery({ dc: undefined, namespace: target.namespace });
    for (const [name, value] of Object.entries(parameters)) query.set(name, value);
    return query.size === 0 ? `/v1/agent/${path}` : `/v1/agent/${path}?${query.toString()}`;
  }

  async function put(path: string, signal: AbortSignal, body?: unknown): Promise<void> {
    await http.ask({ method: 'PUT', path, signal, ...(body !== undefined && { body }) });
  }

  async function checksOf(instanceId: string, signal: AbortSignal): Promise<JsonObject[]> {
    const path = toPath('checks', { filter: `ServiceID == ${JSON.stringify(instanceId)}` });
    const checks = (await http.ask({ method: 'GET', path, signal })).json();
    return isObject(checks) ? Object.values(checks).filter(isObject) : [];
  }

  return {
    async service(instanceId, signal) {
      const path = toPath(`service/${encodeURIComponent(instanceId)}`);
      try {
        return (await http.ask({ method: 'GET', path, signal })).json();
      } catch (error) {
        if (error instanceof HttpError && error.status === 404) return undefined;
        throw error;
      }
    },
    register: (definition, signal) => put(toPath('service/register'), signal, definition),
    async renew(endpoint, signal) {
      const path = toPath(`check/update/${encodeURIComponent(toCheckId(endpoint))}`);
      const { health = 'healthy' } = endpoint;
      const body = { Status: toCheckStatus(health), Output: `the instance says that it is ${health}` };
      return !(await isUnknown(put(path, signal, body)));
    },
    maintain(instanceId, isDraining, signal) {
      const parameters = { enable: String(isDraining), reason: DRAINING };
      return put(toPath(`service/maintenance/${encodeURIComponent(instanceId)}`, parameters), signal);
    },
    async clear(endpoint, signal) {
      for (const check of await checksOf(endpoint.instanceId, signal)) {
        const id = textAt(check, 'CheckID');
        const isOurs =
          id.startsWith(CHECK_PREFIX) || (id.startsWith(MAINTENANCE_PREFIX) && textAt(check, 'Notes') === DRAINING);
        if (!isOurs || id === toCheckId(endpoint)) continue;
        await isUnknown(put(toPath(`check/deregister/${encodeURIComponent(id)}`), signal));
      }
    },
    async deregister(instanceId, signal) {
      await isUnknown(put(toPath(`service/deregister/${encodeURIComponent(instanceId)}`), signal));
    },
  };
}

/** Whether the agent refused because it does not know what was named. */
async function isUnknown(asked: Promise<void>): Promise<boolean> {
  try {
    await asked;
    return false;
  } catch (error) {
    const isNo = error instanceof HttpError && (error.status === 404 || error.status === 500);
    if (isNo && UNKNOWN.test(error.body)) return true;
    throw error;
  }
}
