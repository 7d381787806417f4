import { formatAddress, type Endpoint, type RemovalCause } from '@bascule/core';
import type { RemovalRecord, SourceStatus } from '@bascule/discovery';
import type { Log } from '../log.ts';

/** What an operator reads about sources: a line each, whatever a system has put into its words. */
export interface SourceLog {
  status(name: string, status: SourceStatus): void;
  warning(about: string, message: string): void;
  /** A start went on without the first word of a source. */
  unheard(name: string, status: SourceStatus, before: { readonly known: number; readonly ageMs: number }): void;
  /** A source is not configured any more, and those in its place have not answered. */
  stays(name: string, awaited: string): void;
  notSaved(name: string, error: Error): void;
  /** Endpoints that left though nobody said that they do. */
  removed(removals: readonly RemovalRecord[]): void;
}

/** Causes that nobody has stated: somebody may miss these endpoints. */
const BY_ABSENCE: ReadonlySet<RemovalCause> = new Set(['not-in-source', 'absent-and-failing', 'absent-too-long']);
const MAX_LINES = 20;
const MAX_WORDS = 500;

export function createSourceLog(log: Log): SourceLog {
  const states = new Map<string, SourceStatus['state']>();
  const warn = (message: string, why?: string): void => log({ level: 'warn', message: toLine(message), why });
  return {
    status(name, { state, error }) {
      // Why it is lost may differ each time that it is tried again; that it is lost is said once.
      if (states.get(name) === state) return;
      states.set(name, state);
      if (state === 'connecting') return;
      if (state === 'stale') warn(`source ${name}: stale`, toLine(error ?? ''));
      else log({ level: 'info', message: toLine(`source ${name}: connected`) });
    },
    warning: (about, message) => warn(`${about}: ${message}`),
    unheard(name, { error }, { known, ageMs }) {
      const what =
        known === 0
          ? 'and nothing is known of it from before'
          : `so the ${known} endpoints known last are used, ${toAge(ageMs)} old`;
      warn(`source ${name} has not answered yet, ${what}`, toLine(error ?? ''));
    },
    stays(name, awaited) {
      warn(`source ${name} is not configured any more, and stays until ${awaited} has answered`);
    },
    notSaved(name, error) {
      log({ level: 'error', message: toLine(`the last known set of source ${name} was not saved: ${error.message}`) });
    },
    removed(removals) {
      const unstated = removals.filter(({ cause }) => BY_ABSENCE.has(cause));
      for (const { endpoint, source, cause } of unstated.slice(0, MAX_LINES)) {
        warn(`endpoint ${nameOf(endpoint)} of source ${source} was removed: ${cause}`);
      }
      const more = unstated.length - MAX_LINES;
      if (more > 0) warn(`${more} more endpoints were removed for their absence`);
    },
  };
}

function nameOf(endpoint: Endpoint): string {
  return `${endpoint.instanceId} at ${formatAddress(endpoint)}`;
}

function toAge(ageMs: number): string {
  const minutes = Math.round(ageMs / 60_000);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** Printable and short: a line break in it would begin a line that nobody wrote. */
function toLine(text: string): string {
  const line = text.replaceAll(/[\p{C}\u2028\u2029]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
  return line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}...` : line;
}
