import { endpointKey, type RemovalCause } from '@bascule/core';
import type { Reading } from '../records.ts';
import { changeOf, hashOf, type EurekaInstance } from './applications.ts';

/** Who is there, as Eureka's answers tell it. */
export interface InstanceSet {
  /** Takes all of them over. */
  replace(instances: readonly EurekaInstance[]): void;
  /**
   * Takes changes over. `isCorrection`: behind a list of all, which then differs from them where Eureka keeps an old answer
   * of one of them, as it does for three minutes when it is changed while it makes one.
   */
  change(instances: readonly EurekaInstance[], isCorrection: boolean): Changed;
  add(instance: EurekaInstance): void;
  readings(): Iterable<Reading>;
  hash(): string;
}

/** What changes make of a set. */
export interface Changed {
  /** Whom they say to have left, known here or not. */
  readonly leaving: readonly Leaving[];
  /** Whom they have and the list of all has not. */
  readonly disputed: readonly EurekaInstance[];
}

export interface Leaving {
  readonly key: string;
  readonly cause: RemovalCause;
}

interface Known {
  readonly instance: EurekaInstance;
  readonly reading: Reading;
}

/** An empty set; `read` reads one instance. */
export function createInstanceSet(read: (instance: EurekaInstance) => Reading): InstanceSet {
  let known = new Map<string, Known>();

  /** Most of an answer is what it was. */
  function toKnown(instance: EurekaInstance): Known {
    const before = known.get(idOf(instance));
    const isSame = before?.instance.updatedMs === instance.updatedMs && before.instance.status === instance.status;
    return isSame && 'endpoint' in before.reading ? before : { instance, reading: read(instance) };
  }

  return {
    replace(instances) {
      known = new Map(instances.map((instance) => [idOf(instance), toKnown(instance)]));
    },
    change(instances, isCorrection) {
      const leaving: Leaving[] = [];
      const disputed: EurekaInstance[] = [];
      for (const instance of instances) {
        const id = idOf(instance);
        // Changes are repeated for minutes, and answers are kept for half of one: a list of all may be newer.
        if ((known.get(id)?.instance.updatedMs ?? -Infinity) > instance.updatedMs) continue;
        const change = changeOf(instance);
        if (change === 'put') {
          if (isCorrection && !known.has(id)) disputed.push(instance);
          else known.set(id, toKnown(instance));
          continue;
        }
        known.delete(id);
        const reading = read(instance);
        if ('endpoint' in reading) leaving.push({ key: endpointKey(reading.endpoint), cause: change });
      }
      return { leaving, disputed };
    },
    add: (instance) => void known.set(idOf(instance), toKnown(instance)),
    *readings() {
      for (const { reading } of known.values()) yield reading;
    },
    hash: () => hashOf(Array.from(known.values(), ({ instance }) => instance)),
  };
}

function idOf({ app, id }: EurekaInstance): string {
  return `${app}/${id}`;
}
