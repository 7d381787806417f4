import { endpointKey, type Clock, type Timer } from '@bascule/core';
import {
  RegistryService,
  type Event,
  type WatchResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { causeOf, fromEndpointMessage } from '../endpoint-message.ts';
import { HEARTBEAT_MS } from '../registry/watcher.ts';
import { SpecError, type SourceOptions } from '../spec.ts';
import type { Answer, Feed, SourceDriver } from './feed.ts';
import { createSchemaFetcher } from './schema-fetcher.ts';

/** Three heartbeats of the registry missed: the connection hangs, whatever TCP says. */
const SILENCE_MS = 3 * HEARTBEAT_MS;
const SILENT = `no word from the registry for ${SILENCE_MS} ms`;

/** `http://host:port` or `https://host:port`, with a namespace as path where there is one. */
export function openRegistrySource(options: SourceOptions): SourceDriver {
  const { url, clock, schemas } = options;
  if (url.search !== '' || url.hash !== '') throw new SpecError(`${url.href} has more than a namespace as its path`);
  const transport = options.dial(url.origin, options.credentials);
  const namespace = decodeURIComponent(url.pathname.replace(/^\/|\/$/g, ''));
  return createRegistryDriver({ transport, clock, namespace, schemas, close: () => transport.close() });
}

export interface RegistryDriverOptions {
  /** Way to the registry. Needs no timeout of its own for streams. */
  readonly transport: Transport;
  readonly clock: Clock;
  /** Empty is "default". */
  readonly namespace: string;
  readonly schemas: ReadonlyMap<string, Uint8Array>;
  /** Called when the driver is closed, if it owns the transport. */
  close?(): Promise<void>;
}

/** Follows the embedded registry: resumes by epoch and revision. */
export function createRegistryDriver(options: RegistryDriverOptions): SourceDriver {
  const { clock, namespace } = options;
  const client = createClient(RegistryService, options.transport);
  const closing = new AbortController();
  const seen = { epoch: 0n, revision: 0n };
  let present: Feed | undefined;
  /** A snapshot of which parts have arrived. */
  let parts: WatchResponse[] = [];

  const fetcher = createSchemaFetcher({
    ask: async (digest, signal) => (await client.getSchema({ digest }, { signal })).schema,
    clock,
    seeds: options.schemas,
    signal: closing.signal,
    onSchema: (digest, schema) => present?.schema(digest, schema),
  });

  function receive(feed: Feed, response: WatchResponse): void {
    if (response.snapshot) {
      parts.push(response);
      if (response.more) return;
      const events = parts.flatMap((part) => part.events);
      parts = [];
      const endpoints = events.flatMap(({ event }) => (event.case === 'put' ? [fromEndpointMessage(event.value)] : []));
      feed.answer({ endpoints, history: historyOf(response) });
    } else {
      if (response.epoch !== seen.epoch) throw new Error('the registry changed its epoch without a snapshot');
      for (const event of response.events) apply(feed, event);
      feed.connected();
    }
    Object.assign(seen, { epoch: response.epoch, revision: response.revision });
  }

  function historyOf(response: WatchResponse): Answer['history'] {
    return response.epoch === seen.epoch ? 'same' : 'new';
  }

  /** One watch, from the call to its end. */
  async function follow(feed: Feed, signal: AbortSignal): Promise<void> {
    present = feed;
    parts = [];
    const call = new AbortController();
    const end = (): void => call.abort();
    const hear = (): Timer => clock.after(SILENCE_MS, () => call.abort(new Error(SILENT)));
    let silence = hear();
    signal.addEventListener('abort', end);
    try {
      for await (const response of client.watch({ ...seen, namespace }, { signal: call.signal })) {
        silence.cancel();
        silence = hear();
        if (signal.aborted) return;
        receive(feed, response);
      }
      throw new Error('the registry ended the watch');
    } catch (error) {
      if (signal.aborted) return;
      throw call.signal.aborted ? call.signal.reason : new Error(ConnectError.from(error).message, { cause: error });
    } finally {
      silence.cancel();
      end();
      signal.removeEventListener('abort', end);
    }
  }

  return {
    follow,
    wantSchemas: (digests) => fetcher.want(digests),
    async close() {
      closing.abort();
      await options.close?.();
    },
  };
}

function apply(feed: Feed, { event }: Event): void {
  if (event.case === 'put') return feed.put(fromEndpointMessage(event.value));
  if (event.case !== 'removal') return;
  const { instanceId, incarnation, cause } = event.value;
  feed.remove(endpointKey({ instanceId, incarnation: Number(incarnation) }), causeOf(cause));
}
