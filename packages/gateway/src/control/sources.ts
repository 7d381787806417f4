import { readFileSync } from 'node:fs';
import { createRouterTransport, type ConnectRouter, type Transport } from '@connectrpc/connect';
import { createNodeTransport, type NodeTransport } from '@bascule/client';
import type { Clock, Endpoint } from '@bascule/core';
import {
  createLastKnown,
  createRegistrySource,
  type KnownState,
  type Source,
  type SourceStatus,
} from '@bascule/discovery';
import { createBearerInterceptor } from '@bascule/kit';
import { digestOf } from '@bascule/schema';
import { join } from 'node:path';
import type { Settings, StaticEndpointSettings } from '../config/settings-types.ts';
import type { Directory } from './directory.ts';

/** Saves of the last-known set are gathered for this long: endpoints come and go in groups. */
const SAVE_DELAY_MS = 200;

/** Every way this gateway learns who is there, feeding one directory. */
export interface Sources {
  /** The registry's state; undefined when there is none to watch. */
  status(): SourceStatus | undefined;
  /** Takes over the static endpoints of changed settings. */
  update(settings: Settings): void;
  /** Saves what is known now, so that a restart without a registry finds it. */
  saveSoon(): void;
  close(): Promise<void>;
}

export interface SourcesOptions {
  readonly settings: Settings;
  readonly directory: Directory;
  readonly clock: Clock;
  /** Token for the registry. */
  readonly token: string;
  /** Routes of the registry inside this gateway, where there is one. */
  readonly embedded: ((router: ConnectRouter) => void) | undefined;
  onStatus(status: SourceStatus): void;
  /** The last-known set could not be written: a restart without a registry would not find it. */
  onSaveError(error: Error): void;
}

export function startSources(options: SourcesOptions): Sources {
  const { settings, directory, clock } = options;
  const lastKnown = createLastKnown({ file: join(settings.stateDir, 'last-known.json'), clock });
  applyStatic(settings, directory);
  const transport = transportOf(options);
  const registry = transport && startRegistry(options, transport, lastKnown.load());
  let saving: { cancel(): void } | undefined;
  let saved: Promise<void> = Promise.resolve();

  function save(): void {
    saving?.cancel();
    saving = undefined;
    const endpoints = directory.endpoints().filter(({ source }) => source === 'registry');
    const state = { endpoints: endpoints.map(({ endpoint }) => endpoint), schemas: directory.schemas() };
    saved = lastKnown.save(state).catch((error: Error) => options.onSaveError(error));
  }

  return {
    status: () => registry?.status(),
    update: (next) => applyStatic(next, directory),
    saveSoon() {
      saving ??= clock.after(SAVE_DELAY_MS, save);
    },
    async close() {
      if (saving !== undefined) save();
      await Promise.all([registry?.close(), saved]);
      await transport?.close();
    },
  };
}

function transportOf(options: SourcesOptions): NodeTransport | undefined {
  const { registry } = options.settings.discovery;
  if (registry !== undefined) {
    const interceptors = [createBearerInterceptor(options.token)];
    return createNodeTransport({ baseUrl: registry, interceptors, clock: options.clock });
  }
  if (options.embedded === undefined) return undefined;
  return { ...createRouterTransport(options.embedded), close: async () => {} };
}

function startRegistry(options: SourcesOptions, transport: Transport, known: KnownState | undefined): Source {
  const { directory, clock, settings } = options;
  const source = createRegistrySource({ transport, clock, resyncGraceMs: settings.discovery.resyncGraceMs, known });
  source.start({
    changes: (changes) => directory.apply('registry', changes),
    status: (status) => options.onStatus(status),
    schema: (digest, schema) => directory.addSchema(digest, schema),
  });
  return source;
}

function applyStatic(settings: Settings, directory: Directory): void {
  directory.replace(
    'static',
    settings.discovery.endpoints.map((endpoint) => toEndpoint(endpoint, directory)),
  );
}

function toEndpoint(settings: StaticEndpointSettings, directory: Directory): Endpoint {
  const schema = settings.schemaFile === undefined ? undefined : readFileSync(settings.schemaFile);
  const schemaDigest = schema === undefined ? '' : digestOf(schema);
  if (schema !== undefined) directory.addSchema(schemaDigest, schema);
  return {
    instanceId: `static/${settings.host}:${settings.port}`,
    incarnation: 1,
    host: settings.host,
    port: settings.port,
    protocol: settings.protocol,
    codecs: settings.codecs,
    weight: settings.weight,
    priority: 0,
    zone: '',
    services: settings.services,
    schemaDigest,
    moduleVersion: '',
    labels: {},
  };
}
