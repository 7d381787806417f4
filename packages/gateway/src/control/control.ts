import type { Clock } from '@bascule/core';
import { createRegistry, type Registry } from '@bascule/discovery';
import type { Settings } from '../config/settings-types.ts';
import type { DataThread } from '../data/thread.ts';
import type { Log } from '../log.ts';
import type { DataReport } from '../snapshot.ts';
import { compileSnapshot, createMethodCache } from './compile.ts';
import { createDirectory, type Directory } from './directory.ts';
import { createPublisher, type Publisher } from './publisher.ts';
import { createRollouts, type Rollouts } from './rollouts.ts';
import { startSources, type Sources } from './sources.ts';
import { startThreads } from './threads.ts';

/** How long a start waits for the registry's first word; after it the last-known set has to do. */
const FIRST_WORD_MS = 1_000;

/** Everything that decides: it computes pictures and brings them to the data threads. */
export interface Control {
  readonly port: number;
  readonly directory: Directory;
  readonly rollouts: Rollouts;
  readonly sources: Sources;
  readonly publisher: Publisher;
  /** The registry inside this gateway, where there is one. */
  readonly registry: Registry | undefined;
  /** The schema that a service is served with, if any endpoint told it. */
  schemaOf(service: string): Uint8Array | undefined;
  /** What every data thread says of itself. */
  collect(): Promise<DataReport[]>;
  settings(): Settings;
  settingsRevision(): number;
  /** Puts changed settings in place; resolves when every data thread uses them. */
  update(settings: Settings, revision: number): Promise<void>;
  close(): Promise<void>;
}

export interface ControlOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly token: string;
  readonly log: Log;
  /** A data worker ended by itself: the gateway cannot go on as it was told to. */
  onFatal(why: string): void;
}

export async function startControl(options: ControlOptions): Promise<Control> {
  const { clock, log } = options;
  let settings = options.settings;
  let settingsRevision = 1;
  const registry = settings.discovery.embeddedRegistry ? createRegistry({ clock }) : undefined;
  let firstWord: () => void = () => {};
  const heard = new Promise<void>((resolve) => {
    firstWord = resolve;
  });

  const directory = createDirectory(() => {
    publisher.schedule();
    sources?.saveSoon();
  });
  const groupSchema = (digest: string): Uint8Array | undefined =>
    rollouts.groups().find((group) => group.endpoint.schemaDigest === digest)?.schema;
  const schemaOf = (digest: string): Uint8Array | undefined => directory.schema(digest) ?? groupSchema(digest);
  const methodsOf = createMethodCache(schemaOf, (message) => log({ level: 'warn', message }));
  const publisher = createPublisher({
    clock,
    compile: (revision) =>
      compileSnapshot({
        revision,
        settings,
        settingsRevision,
        endpoints: directory.endpoints().map(({ endpoint }) => endpoint),
        groups: rollouts.groups(),
        methodsOf,
        schemaOf,
      }),
    openPort(key) {
      try {
        return rollouts.modules.openPort(key);
      } catch (error) {
        // The version ended between the picture and now; its removal is on the way.
        log({ level: 'warn', message: `no port to module version ${key}: ${(error as Error).message}` });
        return undefined;
      }
    },
    onError: (error) => log({ level: 'error', message: `a snapshot was not taken: ${error.message}` }),
    onLate: (late) =>
      late
        ? log({ level: 'error', message: 'a data thread does not react; the others go on without it' })
        : log({ level: 'info', message: 'the data thread reacts again' }),
  });
  const publish = (): Promise<void> => publisher.publish();
  const rollouts = await createRollouts({ settings, clock, log, publish }).catch((error: unknown) => {
    registry?.close();
    throw error;
  });
  let sources: Sources | undefined = undefined;
  const started = startSources({
    settings,
    directory,
    clock,
    token: options.token,
    embedded: registry && ((router) => registry.routes(router)),
    onStatus(status) {
      if (status.state === 'connected') firstWord();
      log({
        level: status.state === 'stale' ? 'warn' : 'info',
        message: `registry: ${status.state}`,
        why: status.error,
      });
    },
    onSaveError: (error) => log({ level: 'error', message: `the last-known set was not saved: ${error.message}` }),
  });
  sources = started;

  const threads: DataThread[] = [];
  async function close(): Promise<void> {
    const graceMs = settings.calls.drainTimeoutMs;
    await Promise.all(threads.map((thread) => thread.close(graceMs)));
    await rollouts.close();
    await started.close();
    registry?.close();
    publisher.close();
  }

  try {
    await rollouts.start();
    await Promise.race([heard, new Promise<void>((resolve) => clock.after(FIRST_WORD_MS, resolve))]);
    const { host, port, workers, tls } = settings.listener;
    threads.push(
      ...(await startThreads({ host, port, workers, tls, clock, publisher, onLost: (why) => options.onFatal(why) })),
    );
  } catch (error) {
    await close();
    throw error;
  }

  return {
    port: (threads[0] as DataThread).port,
    directory,
    rollouts,
    sources: started,
    publisher,
    registry,
    schemaOf(service) {
      const endpoint = directory.endpoints().find((known) => known.endpoint.services.includes(service))?.endpoint;
      if (endpoint !== undefined) return directory.schema(endpoint.schemaDigest);
      return rollouts.groups().find((group) => group.endpoint.services.includes(service))?.schema;
    },
    collect: () => Promise.all(threads.map((thread) => thread.collect())),
    settings: () => settings,
    settingsRevision: () => settingsRevision,
    async update(next, revision) {
      settings = next;
      settingsRevision = revision;
      started.update(next);
      rollouts.update(next);
      await publisher.publish();
    },
    close,
  };
}
