import { isObject, listAt, numberAt, objectAt, textAt, type JsonObject } from '../json.ts';

/** What Eureka answers about applications. */
export interface Applications {
  readonly instances: readonly EurekaInstance[];
  /** How many there are of each status, as in `DOWN_1_UP_2_`; empty for none. */
  readonly hash: string;
  /** Of deltas: grows with each that the server makes, and begins at 1 when it starts. NaN when it is not told. */
  readonly version: number;
}

/** One instance as Eureka writes it. */
export interface EurekaInstance {
  readonly raw: JsonObject;
  readonly app: string;
  readonly id: string;
  readonly status: string;
  /** When the server last took something of it over, in its milliseconds since 1970. */
  readonly updatedMs: number;
}

/** Reads the answer to `/apps`, `/apps/delta` or `/apps/APP`. Throws when it is none. */
export function readApplications(answer: unknown): Applications {
  if (!isObject(answer)) throw new Error('Eureka answers with something that is no list of applications');
  const one = objectAt(answer, 'application');
  const all = objectAt(answer, 'applications');
  if (!Object.hasOwn(answer, 'applications') && !Object.hasOwn(answer, 'application')) {
    throw new Error('Eureka answers without applications: something else may answer in its place');
  }
  const applications = Object.hasOwn(answer, 'application') ? [one] : listAt(all, 'application').filter(isObject);
  return {
    instances: applications.flatMap((application) => {
      const name = textAt(application, 'name');
      return listAt(application, 'instance')
        .filter(isObject)
        .map((raw) => toInstance(raw, name));
    }),
    hash: textAt(all, 'apps__hashcode'),
    version: numberAt(all, 'versions__delta'),
  };
}

/** Reads the answer to `/apps/APP/ID`. Throws when it is none. */
export function readInstance(answer: unknown): EurekaInstance {
  if (!isObject(answer) || !Object.hasOwn(answer, 'instance')) throw new Error('Eureka answers without an instance');
  return toInstance(objectAt(answer, 'instance'), '');
}

function toInstance(raw: JsonObject, name: string): EurekaInstance {
  return {
    raw,
    app: (name || textAt(raw, 'app')).toUpperCase(),
    // Instances of Amazon's clouds, and of Eureka's first clients, have none and go by their host.
    id: textAt(raw, 'instanceId') || textAt(raw, 'hostName'),
    status: textAt(raw, 'status'),
    updatedMs: numberAt(raw, 'lastUpdatedTimestamp'),
  };
}

/** What Eureka would call the hash of these. */
export function hashOf(instances: Iterable<EurekaInstance>): string {
  const counts = new Map<string, number>();
  for (const { status } of instances) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([status, count]) => `${status}_${count}_`)
    .join('');
}

/** What happened to an instance of a delta. */
export function changeOf({ raw }: EurekaInstance): 'put' | 'deregistered' | 'lease-expired' {
  if (textAt(raw, 'actionType') !== 'DELETED') return 'put';
  const lease = objectAt(raw, 'leaseInfo');
  const gone = numberAt(lease, 'evictionTimestamp');
  // Eureka says of both that they were deleted; whose lease had run out shows by the times.
  const isExpired = gone >= numberAt(lease, 'lastRenewalTimestamp') + numberAt(lease, 'durationInSecs') * 1_000;
  return isExpired ? 'lease-expired' : 'deregistered';
}
