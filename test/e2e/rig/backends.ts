import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startChild, type Child } from './child.ts';
import type { Folder } from './folder.ts';

const SLOW = 'test/e2e/backends/slow.ts';
const BASCULE = 'packages/cli/bin/bascule.mjs';

/** Processes for tests that kill them. They share a folder, and so the token, with the gateway. */
export interface Backends extends AsyncDisposable {
  start(instanceId: string): Promise<Child>;
  /** What was executed, in order. */
  executed(): Promise<{ readonly instanceId: string; readonly callId: string }[]>;
}

export function createBackends(folder: Folder, registry: string): Backends {
  const log = join(folder.path, 'executed.log');
  const children: Child[] = [];
  return {
    async start(instanceId) {
      const registration = ['--registry', registry, '--token-file', join(folder.path, 'state/token')];
      const child = await startChild([SLOW, '--instance-id', instanceId, ...registration, '--log', log]);
      children.push(child);
      return child;
    },
    async executed() {
      const text = await readFile(log, 'utf8');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [instanceId = '', callId = ''] = line.split(' ');
          return { instanceId, callId };
        });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(children.map((child) => child.stop()));
    },
  };
}

/** A registry of its own process; with `port` it can be started again where it was. */
export function startRegistryProcess(folder: Folder, port: number): Promise<Child> {
  const stateDir = join(folder.path, 'state');
  return startChild([
    BASCULE,
    'registry',
    '--port',
    String(port),
    '--state-dir',
    stateDir,
    '--exit-with-stdin',
    '--json',
  ]);
}
