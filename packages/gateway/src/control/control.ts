import type { Clock } from '@bascule/core';
import type { Registry } from '@bascule/discovery';
import { createRouterTransport } from '@connectrpc/connect';
import type { Settings } from '../config/settings-types.ts';
import type { DataThread } from '../data/thread.ts';
import type { Log } from '../log.ts';
import type { DataReport, Snapshot } from '../snapshot.ts';
import { digestOf } from '@bascule/schema';
import { compileSnapshot } from './compile.ts';
import { createDiscovery, type Discovery } from './discovery.ts';
import { createEmbeddedRegistry } from './embedded-registry.ts';
import { createPublisher, type Publisher } from './publisher.ts';
import { createSchemaCache } from './schema-cache.ts';
import { createRollouts, type Rollouts } from './rollouts.ts';
import { startThreads } from './threads.ts';
import { findUnknownNames } from './unknown-names.ts';

/** Everything that decides: it computes pictures and brings them to the data threads. */
export interface Control {
  readonly port: number;
  readonly discovery: Discovery;
  readonly rollouts: Rollouts;
  readonly publisher: Publisher;
  /** The registry inside this gateway, where there is one. */
  readonly registry: Registry | undefined;
  /** The schema that a service is served with, if any endpoint told it. */
  schemaOf(service: string): Uint8Array | undefined;
  /** What every data thread says of itself. */
  collect(): Promise<DataReport[]>;
  settings(): Settings;
  settingsRevision(): number;
  /**
   * Puts changed settings in place; resolves when every data thread uses them. Rejects with SettingsRefused, and then
   * nothing has changed.
   */
  update(settings: Settings, revision: number): Promise<void>;
  close(): Promise<void>;
}

export interface ControlOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly token: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  /** A data worker ended by itself: the gateway cannot go on as it was told to. */
  onFatal(why: string): void;
}

export async function startControl(options: ControlOptions): Promise<Control> {
  const { clock, log } = options;
  let settings = options.settings;
  warnOfBlindTrust(settings, log);
  let settingsRevision = 1;
  const embedded = settings.discovery.embeddedRegistry
    ? createEmbeddedRegistry({ discovery: settings.discovery, clock, token: options.token, log })
    : undefined;
  const registry = embedded?.registry;
  const threads: DataThread[] = [];
  const collect = (): Promise<DataReport[]> => Promise.all(threads.map((thread) => thread.collect()));

  const groupSchema = (digest: string): Uint8Array | undefined =>
    rollouts.groups().find((group) => group.endpoint.schemaDigest === digest)?.schema;
  const schemaOf = (digest: string): Uint8Array | undefined => discovery.schema(digest) ?? groupSchema(digest);
  const schemas = createSchemaCache(schemaOf, (message) => log({ level: 'warn', message }));
  const operatorTokenDigest = digestOf(new TextEncoder().encode(options.token));
  /** Each is told once, and again when the configuration has changed. */
  const toldNames = new Set<string>();
  function warnOfUnknownNames({ clusters }: Snapshot): void {
    for (const message of findUnknownNames(settings, clusters)) {
      if (toldNames.has(message)) continue;
      toldNames.add(message);
      log({ level: 'warn', message });
    }
  }
  const publisher = createPublisher({
    clock,
    compile(revision) {
      const snapshot = compileSnapshot({
        revision,
        settings,
        settingsRevision,
        endpoints: discovery.endpoints(),
        groups: rollouts.groups(),
        operatorTokenDigest,
        methodsOf: (digest) => schemas.methodsOf(digest),
        fieldOf: (digest, service, method, path) => schemas.fieldOf(digest, service, method, path),
        schemaOf,
      });
      warnOfUnknownNames(snapshot);
      return snapshot;
    },
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
  const discovery = createDiscovery({
    settings,
    clock,
    log,
    loads: async (withinMs) => (await Promise.all(threads.map((thread) => thread.loads(withinMs)))).flat(),
    token: options.token,
    env: options.env,
    embedded: registry && { ...createRouterTransport(registry.trustedRoutes), close: async () => {} },
    onChange: () => publisher.schedule(),
  });
  const publish = (): Promise<void> => publisher.publish();
  const rollouts = await createRollouts({ settings, clock, log, publish }).catch(async (error: unknown) => {
    await discovery.close();
    registry?.close();
    throw error;
  });

  async function close(): Promise<void> {
    const graceMs = settings.calls.drainTimeoutMs;
    await Promise.all(threads.map((thread) => thread.close(graceMs)));
    await rollouts.close();
    await discovery.close();
    registry?.close();
    publisher.close();
  }

  try {
    await discovery.start();
    await rollouts.start();
    await discovery.firstWord();
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
    discovery,
    rollouts,
    publisher,
    registry,
    schemaOf(service) {
      const endpoint = discovery.endpoints().find(({ services }) => services.includes(service));
      if (endpoint !== undefined) return discovery.schema(endpoint.schemaDigest);
      return rollouts.groups().find((group) => group.endpoint.services.includes(service))?.schema;
    },
    collect,
    settings: () => settings,
    settingsRevision: () => settingsRevision,
    async update(next, revision) {
      const allow = embedded?.prepare(next.discovery);
      await discovery.update(next);
      allow?.();
      settings = next;
      toldNames.clear();
      settingsRevision = revision;
      warnOfBlindTrust(next, log);
      rollouts.update(next);
      await publisher.publish();
    },
    close,
  };
}

/** It was meant for an afternoon, and nothing would ever tell of it. */
function warnOfBlindTrust({ services }: Settings, log: Log): void {
  const names = Object.keys(services).filter((name) => services[name]?.tls?.insecureSkipVerify === true);
  if (names.length === 0) return;
  const message = `endpoints of ${names.join(', ')} may show any certificate (insecureSkipVerify): name caFile instead`;
  log({ level: 'warn', message });
}
