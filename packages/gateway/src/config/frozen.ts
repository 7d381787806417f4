import type { Settings } from './settings-types.ts';

/** Settings that are bound when the gateway starts: sockets, threads and files are opened with them. */
const FROZEN: Readonly<Record<string, (settings: Settings) => string | number>> = {
  'listener.host': (s) => s.listener.host,
  'listener.port': (s) => s.listener.port,
  'listener.workers': (s) => s.listener.workers,
  'operator.port': (s) => s.operator.port,
  stateDir: (s) => s.stateDir,
};

/** Fields that differ and need a restart. With any of them, a change is refused whole. */
export function frozenChanges(before: Settings, after: Settings): string[] {
  return Object.entries(FROZEN)
    .filter(([, read]) => read(before) !== read(after))
    .map(([field]) => field);
}
