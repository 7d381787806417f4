import { createInterface } from 'node:readline';
import { createDial } from '@bascule/client';
import { endpointKey, systemClock, type Endpoint } from '@bascule/core';
import { openSource, type Credentials, type Source, type SourceChange } from '@bascule/discovery';
import { nowMs } from '../time.ts';

export interface WatchersOptions {
  readonly url: string;
  readonly credentials: Credentials;
  readonly watchers: number;
}

interface Watcher {
  readonly source: Source;
  readonly known: Map<string, Endpoint>;
  changes: number;
  lastMs: number;
}

/**
 * Watchers with a connection each. Lines: `until COUNT INCARNATION` answers when every watcher knows COUNT endpoints,
 * of which as many as were restarted (COUNT and beyond INCARNATION, given as `COUNT INCARNATION NEWER`) are newer;
 * `seen` says what they heard.
 */
export async function run({ url, credentials, watchers: count }: WatchersOptions): Promise<void> {
  const dial = createDial(systemClock);
  const watchers = await Promise.all(
    Array.from({ length: count }, async () => {
      const source = await openSource({
        url: new URL(url),
        credentials,
        clock: systemClock,
        dial,
        env: {},
        baseDir: '/',
        schemas: new Map(),
        defaults: { services: [], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' },
      });
      const watcher: Watcher = { source, known: new Map(), changes: 0, lastMs: 0 };
      source.start({
        changes: (changes) => hear(watcher, changes),
        status: () => {},
        schema: () => {},
        warning: (message) => console.error(message),
      });
      return watcher;
    }),
  );
  console.log('{"ready":true}');
  for await (const line of createInterface({ input: process.stdin })) {
    const [what, ...numbers] = line.split(' ');
    if (what === 'until') {
      const [wanted = 0, incarnation = 0, newer = 0] = numbers.map(Number);
      while (!watchers.every((watcher) => isThere(watcher, wanted, incarnation, newer))) {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    if (what === 'end') await Promise.all(watchers.map(({ source }) => source.close()));
    console.log(
      JSON.stringify({
        changes: watchers.reduce((sum, watcher) => sum + watcher.changes, 0),
        lastMs: Math.max(...watchers.map(({ lastMs }) => lastMs)),
        atMs: nowMs(),
      }),
    );
  }
}

function hear(watcher: Watcher, changes: readonly SourceChange[]): void {
  watcher.changes += changes.length;
  watcher.lastMs = nowMs();
  for (const change of changes) {
    if (change.type === 'remove') watcher.known.delete(change.key);
    else if (change.type !== 'doubt') watcher.known.set(endpointKey(change.endpoint), change.endpoint);
  }
}

function isThere({ known }: Watcher, wanted: number, incarnation: number, newer: number): boolean {
  if (known.size !== wanted) return false;
  if (newer === 0) return true;
  let found = 0;
  for (const endpoint of known.values()) if (endpoint.incarnation > incarnation) found++;
  return found >= newer;
}
