import type { CallPolicy } from '@bascule/core';
import type { Settings } from '../config/settings-types.ts';
import type { ClusterSnapshot } from '../snapshot.ts';
import { ownSettings } from './own-settings.ts';

/**
 * What the configuration says without effect of services that are in use: of methods and message fields that their
 * schemas do not have, most likely mistyped. It is no reason to refuse a configuration, since the next version of a
 * service may have them. Services whose schema is not known are left out.
 */
export function findUnknownNames(
  { services, routes }: Pick<Settings, 'services' | 'routes'>,
  clusters: readonly ClusterSnapshot[],
): string[] {
  return clusters.flatMap((cluster) => {
    const { service, methods } = cluster;
    const own = ownSettings(services, service);
    // Pictures are made often, of all services, and most are not named.
    if (methods.length === 0 || (own === undefined && routes.length === 0)) return [];
    const names = methods.map(({ method }) => method);
    const unknownMethod = (place: string, method: string): string[] =>
      names.includes(method) ? [] : [`${place}: ${service} has no method "${method}"; it has ${names.join(', ')}`];
    return [
      ...Object.entries(own?.methods ?? {}).flatMap(([method, policy]) => [
        ...unknownMethod(`services.${service}.methods`, method),
        ...(names.includes(method) ? unknownFields(cluster, method, policy) : []),
      ]),
      ...routes.flatMap(({ service: only, method }, index) =>
        only === service && method !== undefined ? unknownMethod(`routes[${index}].method`, method) : [],
      ),
    ];
  });
}

/** Keys of fields that were not found are not in what was compiled. */
function unknownFields({ service, methodPolicies }: ClusterSnapshot, method: string, policy: CallPolicy): string[] {
  const found = new Set(fieldsOf(methodPolicies[method] ?? {}));
  return fieldsOf(policy)
    .filter((path) => !found.has(path))
    .map((path) => `services.${service}.methods.${method}: a request has no field "${path}", so it is no key`);
}

function fieldsOf({ affinity, rateLimits = [] }: CallPolicy): string[] {
  const keys = [...(affinity?.keys ?? []), ...rateLimits.flatMap(({ key }) => key ?? [])];
  return keys.flatMap((key) => (key.from === 'field' ? [key.field.path] : []));
}
