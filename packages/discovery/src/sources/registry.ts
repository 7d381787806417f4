import { endpointKey, type Clock, type Timer } from '@bascule/core';
import {
  RegistryService,
  type Endpoint as EndpointMessage,
  type Event,
  type WatchResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { causeOf } from '../endpoint-message.ts';
import { readRegistryUrl } from '../peers/registry-url.ts';
import { HEARTBEAT_MS } from '../registry/watcher.ts';
import type { SourceOptions } from '../spec.ts';
import type { Feed, SourceDriver } from './feed.ts';
import { addPart, createPresentSet, readEndpoint, readSnapshot } from './registry-records.ts';
import { withSchemas, type AskedDriver } from './with-schemas.ts';

/** Three heartbeats of the registry missed: the connection hangs, whatever TCP says. */
const SILENCE_MS = 3 * HEARTBEAT_MS;
const SILENT = `no word from the registry for ${SILENCE_MS} ms`;
/** Between an answer in which most are missing, though the registry did not start anew, and the question whether it is so. */
const CONFIRM_MS = HEARTBEAT_MS;
const CONFIRM = new Error('asked again');
const NOTHING: { readonly revision: bigint; readonly events: Event[] } = { revision: -1n, events: [] };

/** `http://host:port` or `https://host:port`, with a namespace as path where there is one. */
export function openRegistrySource(options: SourceOptions): SourceDriver {
  const { clock, schemas } = options;
  const { origin, namespace } = readRegistryUrl(options.url);
  const transport = options.dial(origin, options.credentials);
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
  const seen = { epoch: 0n, revision: 0n };
  const present = createPresentSet();
  /** A snapshot that has not arrived whole. */
  let partial = NOTHING;

  /** True when the answer is to be heard a second time. */
  function receiveSnapshot(feed: Feed, part: WatchResponse): boolean {
    // Another revision begins another snapshot: the one before will not go on.
    if (partial.revision !== part.revision) partial = { revision: part.revision, events: [] };
    const events = addPart(partial.events, part.events);
    if (part.more) return false;
    partial = NOTHING;
    const answer = readSnapshot(events, (message) => feed.warning(message));
    const history = part.epoch === seen.epoch ? 'same' : 'new';
    const missesMost = present.replace(answer) && history === 'same';
    feed.answer({ ...answer, history });
    for (const { event } of events) if (event.case === 'put') tellLoad(feed, event.value);
    Object.assign(seen, { epoch: part.epoch, revision: part.revision });
    return missesMost;
  }

  function receiveChanges(feed: Feed, { epoch, revision, events }: WatchResponse): void {
    if (epoch !== seen.epoch) throw new Error('the registry changed its epoch without a snapshot');
    for (const event of events) apply(feed, event);
    feed.connected();
    Object.assign(seen, { epoch, revision });
  }

  function apply(feed: Feed, { event }: Event): void {
    if (event.case === 'put') {
      const endpoint = readEndpoint(event.value, (message) => feed.warning(message));
      if (endpoint === undefined) return;
      present.add(endpointKey(endpoint));
      feed.put(endpoint);
      tellLoad(feed, event.value);
    } else if (event.case === 'removal') {
      const { instanceId, incarnation, cause } = event.value;
      const key = endpointKey({ instanceId, incarnation: Number(incarnation) });
      present.delete(key);
      feed.remove(key, causeOf(cause));
    }
  }

  /** One watch, from the call to its end. Returns when it is to begin anew, or `signal` aborts. */
  async function watch(feed: Feed, signal: AbortSignal, wanted: typeof seen): Promise<void> {
    partial = NOTHING;
    const call = new AbortController();
    const end = (): void => call.abort();
    const hear = (): Timer => clock.after(SILENCE_MS, () => call.abort(new Error(SILENT)));
    let silence = hear();
    let confirmation: Timer | undefined;
    signal.addEventListener('abort', end);
    try {
      for await (const response of client.watch({ ...wanted, namespace }, { signal: call.signal })) {
        silence.cancel();
        silence = hear();
        if (signal.aborted) return;
        if (!response.snapshot) receiveChanges(feed, response);
        else if (receiveSnapshot(feed, response)) {
          confirmation ??= clock.after(CONFIRM_MS, () => call.abort(CONFIRM));
        }
      }
      throw new Error('the registry ended the watch');
    } catch (error) {
      if (signal.aborted || call.signal.reason === CONFIRM) return;
      throw call.signal.aborted ? call.signal.reason : new Error(ConnectError.from(error).message, { cause: error });
    } finally {
      silence.cancel();
      confirmation?.cancel();
      end();
      signal.removeEventListener('abort', end);
    }
  }

  const driver: AskedDriver = {
    async follow(feed, signal) {
      await watch(feed, signal, seen);
      // Only a second answer removes most of a set, and a registry that goes on gives none by itself.
      while (!signal.aborted) await watch(feed, signal, { epoch: 0n, revision: 0n });
    },
    readSchema: async (digest, signal) => (await client.getSchema({ digest }, { signal })).schema,
    close: async () => options.close?.(),
  };
  return withSchemas(driver, options);
}

function tellLoad(feed: Feed, { instanceId, incarnation, condition }: EndpointMessage): void {
  if (condition?.utilization === undefined) return;
  feed.load(endpointKey({ instanceId, incarnation: Number(incarnation) }), condition.utilization);
}
