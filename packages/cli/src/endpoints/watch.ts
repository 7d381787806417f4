import { systemClock } from '@bascule/core';
import { toJson } from '@bufbuild/protobuf';
import {
  ListEndpointsResponseSchema,
  type AdminService,
  type EndpointView,
  type ListEndpointsResponse,
  type RemovalView,
} from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import type { Client } from '@connectrpc/connect';
import type { CliContext, GlobalOptions } from '../context.ts';
import { CliFailure, ExitCode } from '../failure.ts';
import { toPlain, type Terminal } from '../terminal.ts';
import { describeSource, serviceOf } from './print.ts';

export interface Watched {
  readonly admin: Client<typeof AdminService>;
  /** Empty is all. */
  readonly service: string;
}

/** Prints who is there, then each change, until it is stopped. With `json`, one line for each picture. */
export async function watchEndpoints(context: CliContext, options: GlobalOptions, watched: Watched): Promise<void> {
  const { terminal } = context;
  const stopped = new AbortController();
  context.onStop(() => stopped.abort());
  let before: ListEndpointsResponse | undefined;
  try {
    for await (const { view } of watched.admin.watchEndpoints(
      { service: watched.service },
      { signal: stopped.signal },
    )) {
      if (view === undefined) continue;
      if (options.json === true) {
        terminal.print(JSON.stringify(toJson(ListEndpointsResponseSchema, view, { alwaysEmitImplicit: true })));
      } else {
        printChanges(terminal, before, view);
      }
      before = view;
    }
  } catch (error) {
    if (!stopped.signal.aborted) throw error;
  }
  // It ends no watch before it stops.
  if (!stopped.signal.aborted) throw new CliFailure(ExitCode.unreachable, 'the gateway has stopped');
}

function printChanges(terminal: Terminal, before: ListEndpointsResponse | undefined, now: ListEndpointsResponse): void {
  const time = new Date(systemClock.wallMs()).toTimeString().slice(0, 8);
  const say = (...words: string[]): void => {
    const line = words.filter((word) => word !== '').join('  ');
    terminal.print(`${terminal.paint('dim', time)}  ${toPlain(line)}`);
  };
  const known = new Map(before?.endpoints.map((endpoint) => [keyOf(endpoint), endpoint]));
  for (const endpoint of now.endpoints) {
    const old = known.get(keyOf(endpoint));
    if (old !== undefined && wordsOf(old).join() === wordsOf(endpoint).join()) continue;
    say(...wordsOf(endpoint));
  }
  for (const { instanceId, address, source, cause } of before === undefined ? [] : departures(before, now)) {
    say('left', instanceId, address, source, cause);
  }
  const states = new Map(before?.sources.map((source) => [source.name, source.state]));
  for (const source of now.sources) {
    const old = states.get(source.name);
    if (old === source.state || (old === undefined && source.state === 'connected')) continue;
    terminal.remark(
      source.state === 'connected' ? toPlain(`${source.name} is heard again`) : describeSource(source, terminal),
    );
  }
}

function keyOf(endpoint: EndpointView): string {
  return `${serviceOf(endpoint)} ${identityOf(endpoint)}`;
}

function wordsOf(endpoint: EndpointView): string[] {
  const { state, instanceId, address, source, cause } = endpoint;
  return [state.padEnd(10), serviceOf(endpoint), instanceId, address, source, cause];
}

type Departure = Pick<RemovalView, 'instanceId' | 'address' | 'source' | 'cause'>;

/** Who is not there any more, and who came and left since. The gateway remembers the reasons of the last hundred. */
function departures(before: ListEndpointsResponse, now: ListEndpointsResponse): Departure[] {
  const seen = new Map(before.endpoints.map((endpoint) => [identityOf(endpoint), endpoint]));
  const present = new Set(now.endpoints.map(identityOf));
  const known = new Set(before.removals.map(removalKey));
  // Newest first on the wire; the oldest first here.
  const removals = now.removals.toReversed();
  const reasons = new Map(removals.map((removal) => [identityOf(removal), removal]));
  const unseen = removals.filter((removal) => {
    const identity = identityOf(removal);
    return !known.has(removalKey(removal)) && !seen.has(identity) && !present.has(identity);
  });
  const gone = [...seen].filter(([identity]) => !present.has(identity));
  return [...gone.map(([identity, endpoint]) => reasons.get(identity) ?? endpoint), ...unseen];
}

function identityOf({ instanceId, incarnation }: Pick<RemovalView, 'instanceId' | 'incarnation'>): string {
  return `${instanceId}#${incarnation}`;
}

function removalKey(removal: RemovalView): string {
  return `${identityOf(removal)} ${removal.source} ${removal.atMs}`;
}
