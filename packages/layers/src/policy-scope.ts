import type { CallKey, CallPolicy, FieldPath } from '@bascule/core';

/**
 * A policy as one scope says it (a service, a method, a route): states that have no name get that of the scope, so that
 * they last over changes of the configuration, and no two scopes share one by accident.
 */
export function namePolicy(policy: CallPolicy, scope: string): CallPolicy {
  const { rateLimits, breaker, concurrency, admission } = policy;
  return {
    ...policy,
    ...(rateLimits && {
      rateLimits: rateLimits.map((limit, index) => ({ ...limit, name: limit.name || `${scope}#${index}` })),
    }),
    ...(breaker && { breaker: { ...breaker, name: breaker.name || scope } }),
    ...(concurrency && { concurrency: { ...concurrency, name: concurrency.name || scope } }),
    ...(admission && { admission: { ...admission, name: admission.name || scope } }),
  };
}

/** Whether any key of a policy is a field of the message, which a schema must find. */
export function usesFields({ rateLimits = [], affinity }: CallPolicy): boolean {
  return (
    rateLimits.some(({ key }) => key?.from === 'field') || (affinity?.keys ?? []).some((key) => key.from === 'field')
  );
}

type FindField = (path: string) => FieldPath | undefined;

/**
 * Fills in where the fields of keys are. A limit whose field is not there counts all calls together, which is the
 * careful way; an affinity goes on with its other keys.
 */
export function findFields(policy: CallPolicy, find: FindField): CallPolicy {
  if (!usesFields(policy)) return policy;
  const { rateLimits, affinity } = policy;
  return {
    ...policy,
    ...(rateLimits && {
      rateLimits: rateLimits.map((limit) => {
        const { key: unresolved, ...rest } = limit;
        const key = unresolved && resolveKey(unresolved, find);
        return key === undefined ? rest : { ...rest, key };
      }),
    }),
    ...(affinity && {
      affinity: { ...affinity, keys: affinity.keys.flatMap((key) => resolveKey(key, find) ?? []) },
    }),
  };
}

function resolveKey(key: CallKey, find: FindField): CallKey | undefined {
  if (key.from !== 'field') return key;
  const field = find(key.field.path);
  return field && { from: 'field', field };
}
