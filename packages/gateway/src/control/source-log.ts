import { formatAddress, type Clock, type Endpoint, type RemovalCause } from '@bascule/core';
import type { MemberRecord, RemovalRecord, SourceStatus } from '@bascule/discovery';
import type { Log, LogEvent } from '../log.ts';
import { createPacedLog } from './paced-log.ts';

/** What an operator reads about sources and endpoints: a line each, whatever a system has put into its words. */
export interface SourceLog {
  status(name: string, status: SourceStatus): void;
  /** So many a second at most, as all that is said of single endpoints. */
  warning(about: string, message: string): void;
  /** A start went on without the first word of a source. */
  unheard(name: string, status: SourceStatus, before: { readonly known: number; readonly ageMs: number }): void;
  /** A source is not configured any more, and those in its place have not answered. */
  stays(name: string, awaited: string): void;
  notSaved(name: string, error: Error): void;
  /** An endpoint has changed, or left: says so when it has begun or ceased to fail. */
  health(key: string, record: MemberRecord | undefined): void;
  /** Endpoints that left: names those that did not say so themselves. `removals` are the last of them. */
  removed(causes: readonly RemovalCause[], removals: readonly RemovalRecord[]): void;
  /** Says what it has counted, and nothing later. */
  close(): void;
}

/** Causes that the endpoint or its operator has not stated: somebody may miss it. */
const UNSTATED: ReadonlySet<RemovalCause> = new Set([
  'lease-expired',
  'not-in-source',
  'absent-and-failing',
  'absent-too-long',
]);
const MAX_WORDS = 500;

export function createSourceLog(log: Log, clock: Clock): SourceLog {
  const states = new Map<string, SourceStatus['state']>();
  /** Since when endpoints fail, by key. */
  const failing = new Map<string, number>();
  const endpoints = createPacedLog({
    log,
    clock,
    rest: (count) => `${count} more endpoints failed, recovered or left`,
  });
  const warnings = createPacedLog({ log, clock, rest: (count) => `${count} more warnings of sources and checks` });

  const toEvent = (level: LogEvent['level'], message: string, why?: string): LogEvent => ({
    level,
    message: toLine(message),
    ...(why !== undefined && { why: toLine(why) }),
  });

  return {
    status(name, { state, error = '' }) {
      // Why it is lost may differ each time that it is tried again; that it is lost is said once.
      if (states.get(name) === state) return;
      states.set(name, state);
      if (state === 'stale') log(toEvent('warn', `source ${name}: stale`, error));
      if (state === 'connected') log(toEvent('info', `source ${name}: connected`));
    },
    warning: (about, message) => warnings.write(toEvent('warn', `${about}: ${message}`)),
    unheard(name, { error = '' }, { known, ageMs }) {
      const what =
        known === 0
          ? 'and nothing is known of it from before'
          : `so the ${known} endpoints known last are used, ${toAge(ageMs)} old`;
      log(toEvent('warn', `source ${name} has not answered yet, ${what}`, error));
    },
    stays(name, awaited) {
      log(toEvent('warn', `source ${name} is not configured any more, and stays until ${awaited} has answered`));
    },
    notSaved(name, error) {
      log(toEvent('error', `the last known set of source ${name} was not saved: ${error.message}`));
    },
    health(key, record) {
      const sinceMs = failing.get(key);
      if (record === undefined) return void failing.delete(key);
      // One that has not been asked yet has not failed either.
      const { health = 'healthy' } = record.isPending ? {} : record.endpoint;
      if ((health === 'failing') === (sinceMs !== undefined)) return;
      const name = nameOf(record.endpoint);
      if (sinceMs === undefined) {
        failing.set(key, clock.wallMs());
        return endpoints.write(toEvent('warn', `endpoint ${name} is failing`, record.cause));
      }
      failing.delete(key);
      const how = health === 'healthy' ? 'is healthy again' : `is ${health}`;
      endpoints.write(toEvent('info', `endpoint ${name} ${how}, after ${toAge(clock.wallMs() - sinceMs)}`));
    },
    removed(causes, removals) {
      const named = removals.filter(({ cause }) => UNSTATED.has(cause));
      for (const { endpoint, source, cause } of named) {
        endpoints.write(toEvent('warn', `endpoint ${nameOf(endpoint)} of source ${source} was removed: ${cause}`));
      }
      endpoints.leaveOut('warn', causes.filter((cause) => UNSTATED.has(cause)).length - named.length);
    },
    close() {
      endpoints.close();
      warnings.close();
    },
  };
}

function nameOf(endpoint: Endpoint): string {
  return `${endpoint.instanceId} at ${formatAddress(endpoint)}`;
}

function toAge(ageMs: number): string {
  const seconds = Math.max(0, Math.round(ageMs / 1_000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** Printable and short: a line break in it would begin a line that nobody wrote. */
function toLine(text: string): string {
  const line = text.replaceAll(/[\p{C}\u2028\u2029]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
  return line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}...` : line;
}
