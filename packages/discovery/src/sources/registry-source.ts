import { endpointKey, type Change, type Clock, type Timer } from '@bascule/core';
import {
  RegistryService,
  type Event,
  type WatchResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { causeOf, fromEndpointMessage } from '../endpoint-message.ts';
import type { KnownState } from '../last-known.ts';
import { HEARTBEAT_MS } from '../registry/watcher.ts';
import type { Source, SourceListener, SourceStatus } from '../source.ts';
import { createBackoff, waitFor } from '../waiting.ts';
import { createKnownSet } from './known-set.ts';
import { createSchemaFetcher } from './schema-fetcher.ts';

export interface RegistrySourceOptions {
  /** Way to the registry. Needs no timeout of its own for streams. */
  transport: Transport;
  clock: Clock;
  /**
   * How long endpoints that a restarted registry does not know yet are kept, counted while it is reachable. Longer
   * than the instances' renewal interval (a third of their TTL), so that all can register again. In milliseconds.
   */
  resyncGraceMs: number;
  /** The last known set: told at the start, and kept like what the registry said before a restart. */
  known?: KnownState | undefined;
}

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;
/** Three heartbeats of the registry missed: the connection hangs, whatever TCP says. */
const SILENCE_MS = 3 * HEARTBEAT_MS;
const SILENT = `no word from the registry for ${SILENCE_MS} ms`;
const NOTHING: KnownState = { endpoints: [], schemas: new Map() };

/** Follows the embedded registry: resumes by epoch and revision, and keeps the set while the registry is away. */
export function createRegistrySource(options: RegistrySourceOptions): Source {
  const { clock } = options;
  const seeds = options.known ?? NOTHING;
  const client = createClient(RegistryService, options.transport);
  const closing = new AbortController();
  const known = createKnownSet(seeds.endpoints);
  const backoff = createBackoff(clock, FIRST_RETRY_MS, MAX_RETRY_MS);
  const seen = { epoch: 0n, revision: 0n };
  let status: SourceStatus = { state: 'connecting', sinceMs: clock.wallMs() };
  let listener: SourceListener | undefined;
  let grace: Timer | undefined;
  let following: Promise<void> = Promise.resolve();

  const schemas = createSchemaFetcher({
    client,
    clock,
    seeds: seeds.schemas,
    signal: closing.signal,
    onSchema: (digest, schema) => listener?.schema(digest, schema),
  });

  function tell(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    schemas.want(new Set(known.endpoints().map((endpoint) => endpoint.schemaDigest)));
    listener?.changes(changes);
  }

  function setStatus(state: SourceStatus['state'], error?: string): void {
    if (status.state === state && status.error === error) return;
    const sinceMs = status.state === state ? status.sinceMs : clock.wallMs();
    status = error === undefined ? { state, sinceMs } : { state, sinceMs, error };
    listener?.status(status);
  }

  function receive(response: WatchResponse): void {
    if (!response.snapshot && response.epoch !== seen.epoch) {
      throw new Error('the registry changed its epoch without a snapshot');
    }
    const isSameEpoch = response.epoch === seen.epoch;
    Object.assign(seen, { epoch: response.epoch, revision: response.revision });
    if (response.snapshot) {
      const endpoints = response.events.flatMap(({ event }) =>
        event.case === 'put' ? [fromEndpointMessage(event.value)] : [],
      );
      tell(known.replace(endpoints, isSameEpoch ? 'left' : 'doubted'));
    } else {
      tell(response.events.flatMap(apply));
    }
    backoff.reset();
    setStatus('connected');
    // Counted anew with each connection: a registry that has just come back must have been there all the time.
    if (known.hasDoubted()) grace ??= clock.after(options.resyncGraceMs, () => tell(known.dropDoubted()));
  }

  function apply({ event }: Event): Change[] {
    if (event.case === 'put') return known.put(fromEndpointMessage(event.value));
    if (event.case !== 'removal') return [];
    const { instanceId, incarnation, cause } = event.value;
    return known.remove(endpointKey({ instanceId, incarnation: Number(incarnation) }), causeOf(cause));
  }

  /** One watch, from the call to its end. Returns why it ended. */
  async function follow(): Promise<string> {
    const call = new AbortController();
    const end = (): void => call.abort();
    const hear = (): Timer => clock.after(SILENCE_MS, () => call.abort(new Error(SILENT)));
    let silence = hear();
    closing.signal.addEventListener('abort', end);
    try {
      for await (const response of client.watch({ ...seen }, { signal: call.signal })) {
        silence.cancel();
        silence = hear();
        if (closing.signal.aborted) break;
        receive(response);
      }
      return 'the registry ended the watch';
    } catch (error) {
      return call.signal.aborted ? SILENT : ConnectError.from(error).message;
    } finally {
      silence.cancel();
      end();
      closing.signal.removeEventListener('abort', end);
    }
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      const error = await follow();
      grace?.cancel();
      grace = undefined;
      if (closing.signal.aborted) return;
      setStatus('stale', error);
      await waitFor(clock, backoff.next(), closing.signal);
    }
  }

  return {
    start(given) {
      listener = given;
      listener.status(status);
      tell(seeds.endpoints.map((endpoint) => ({ type: 'insert', endpoint })));
      following = run();
    },
    status: () => status,
    schemaFor: (digest) => schemas.get(digest),
    close() {
      listener = undefined;
      closing.abort();
      return following;
    },
  };
}
