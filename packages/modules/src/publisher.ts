import type { Clock, Endpoint } from '@bascule/core';
import { createQueue } from './queue.ts';
import { messageOf, ModuleRefused } from './refusal.ts';
import type { Serving } from './worker-host.ts';

/** A current version as the gateway routes to it. Plain data: crosses threads. */
export interface ModuleGroup {
  readonly module: string;
  readonly endpoint: Endpoint;
  /** Serialized google.protobuf.FileDescriptorSet. */
  readonly schema: Uint8Array;
}

/**
 * Publishes what a module serves from now on, in turn with all other modules. `validate` may throw ModuleRefused or
 * return false for "not needed any more", both before anything changes; `published` is called in the same turn as the
 * publication ended.
 */
type Commit = (change: {
  readonly module: string;
  readonly serving: Serving;
  validate(): boolean;
  published(): void;
}) => Promise<void>;

export interface Publisher {
  readonly commit: Commit;
  /** What other modules serve, by module. */
  othersOf(module: string): ReadonlyMap<string, readonly string[]>;
  /** Lets go of a publication that is under way; those behind it fail. */
  close(): void;
}

export interface PublisherOptions {
  publish(groups: readonly ModuleGroup[]): Promise<void>;
  readonly clock: Clock;
  /** A publication that never ends would hold up every later one, of all modules. */
  readonly timeoutMs: number;
}

/** Publishes one change at a time: each publication is the whole list, so two at once could undo one another. */
export function createPublisher(options: PublisherOptions): Publisher {
  const { clock, timeoutMs } = options;
  const queue = createQueue();
  const closing = Promise.withResolvers<never>();
  closing.promise.catch(() => undefined);
  let servings: ReadonlyMap<string, Serving> = new Map();

  const send = async (of: ReadonlyMap<string, Serving>): Promise<void> => {
    const over = Promise.withResolvers<never>();
    const timer = clock.after(timeoutMs, () => over.reject(new Error(`it did not answer within ${timeoutMs} ms`)));
    try {
      await Promise.race([options.publish(toGroups(of)), closing.promise, over.promise]);
    } finally {
      timer.cancel();
    }
  };
  return {
    commit: (change) =>
      queue(async () => {
        if (!change.validate()) return;
        const next = new Map(servings).set(change.module, change.serving);
        try {
          await send(next);
        } catch (error) {
          // Some threads may have taken it: say again what holds, since the candidate's worker ends now.
          await send(servings).catch(() => undefined);
          throw new ModuleRefused(
            `the gateway did not take the new version: ${messageOf(error)}`,
            'See the log of the gateway',
          );
        }
        servings = next;
        change.published();
      }),
    othersOf: (module) =>
      new Map(
        [...servings].filter(([name]) => name !== module).map(([name, serving]) => [name, serving.loaded.services]),
      ),
    close: () => closing.reject(new Error('it is closing')),
  };
}

function toGroups(servings: ReadonlyMap<string, Serving>): ModuleGroup[] {
  return [...servings]
    .map(([module, { endpoint, loaded }]) => ({ module, endpoint, schema: loaded.schema }))
    .sort((a, b) => (a.module < b.module ? -1 : 1));
}
