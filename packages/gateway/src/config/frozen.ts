import { isDeepStrictEqual } from 'node:util';
import type { RuleProblem } from './rules.ts';
import type { Settings } from './settings-types.ts';

type Frozen = readonly [path: string, read: (settings: Settings) => unknown, advice?: string];

const RESTART = 'Nothing of this change was taken; restart the gateway, or set the old value again.';
/** It is on by itself until a source is named, and off with it everybody who registered there would be gone. */
const WRITE_IT_OUT = `Write it as it was, true or false, beside the sources. ${RESTART}`;

/** Settings that are bound when the gateway starts: sockets, threads and files are opened with them. */
const FROZEN: readonly Frozen[] = [
  ['listener.host', (s) => s.listener.host],
  ['listener.port', (s) => s.listener.port],
  ['listener.workers', (s) => s.listener.workers],
  ['listener.tls', (s) => s.listener.tls],
  ['operator.port', (s) => s.operator.port],
  ['discovery.embeddedRegistry', (s) => s.discovery.embeddedRegistry, WRITE_IT_OUT],
  ['discovery.registryAccessFile', (s) => s.discovery.registryAccessFile],
  ['discovery.absentLimit', (s) => s.discovery.absentLimitMs],
  ['discovery.lastKnownMaxAge', (s) => s.discovery.lastKnownMaxAgeMs],
  ['stateDir', (s) => s.stateDir],
];

/** Fields that differ and need a restart. With any of them, a change is refused whole. */
export function frozenChanges(before: Settings, after: Settings): RuleProblem[] {
  return FROZEN.filter(([, read]) => !isDeepStrictEqual(read(before), read(after))).map(([path, , advice]) => ({
    path: path.split('.'),
    message: 'needs a restart to change',
    advice: advice ?? RESTART,
  }));
}
