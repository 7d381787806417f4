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
  // What had left before the watch began is no news.
  for (const removal of before === undefined ? [] : newRemovals(before.removals, now.removals)) {
    say('left', removal.instanceId, removal.address, removal.source, removal.cause);
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
  return `${serviceOf(endpoint)} ${endpoint.instanceId}#${endpoint.incarnation}`;
}

function wordsOf(endpoint: EndpointView): string[] {
  const { state, instanceId, address, source, cause } = endpoint;
  return [state.padEnd(10), serviceOf(endpoint), instanceId, address, source, cause];
}

/** Newest first on the wire; the oldest of the new ones first here. */
function newRemovals(before: readonly RemovalView[], now: readonly RemovalView[]): RemovalView[] {
  const known = new Set(before.map(removalKey));
  return now.filter((removal) => !known.has(removalKey(removal))).toReversed();
}

function removalKey({ instanceId, incarnation, source, atMs }: RemovalView): string {
  return `${instanceId}#${incarnation} ${source} ${atMs}`;
}
