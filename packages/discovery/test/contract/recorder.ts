import { endpointKey, type Endpoint } from '@bascule/core';
import type { Source, SourceChange, SourceStatus } from '../../src/source.ts';

/** What a source has told. */
export interface Recorded {
  readonly source: Source;
  /** Who is there, doubted or not, by key. */
  readonly set: ReadonlyMap<string, Endpoint>;
  readonly doubted: ReadonlyMap<string, string>;
  /** `insert KEY`, `update KEY`, `doubt KEY`, `remove KEY CAUSE`. */
  readonly log: readonly string[];
  readonly statuses: readonly SourceStatus[];
  readonly warnings: readonly string[];
  readonly schemas: ReadonlyMap<string, Uint8Array>;
  /** Breaches of the law of changes; must stay empty. */
  readonly broken: readonly string[];
  endpoints(): Endpoint[];
  /** Those that are told and not doubted. */
  told(): Endpoint[];
  removals(): string[];
}

/** Starts a source, and holds it to the law: inserts are new, everything else concerns what is known. */
export function record(source: Source): Recorded {
  const set = new Map<string, Endpoint>();
  const doubted = new Map<string, string>();
  const log: string[] = [];
  const statuses: SourceStatus[] = [];
  const warnings: string[] = [];
  const schemas = new Map<string, Uint8Array>();
  const broken: string[] = [];

  function follow(change: SourceChange): void {
    const key = 'key' in change ? change.key : endpointKey(change.endpoint);
    if (set.has(key) !== (change.type !== 'insert')) broken.push(`${change.type} ${key}`);
    if (change.type === 'doubt' && doubted.has(key)) broken.push(`${key} is doubted twice`);
    if (change.type !== 'doubt') doubted.delete(key);
    if (change.type === 'remove') set.delete(key);
    else if (change.type === 'doubt') doubted.set(key, change.why);
    else set.set(key, change.endpoint);
    log.push(`${change.type} ${key}${change.type === 'remove' ? ` ${change.cause}` : ''}`);
  }

  source.start({
    changes(changes) {
      if (changes.length === 0) broken.push('an empty batch');
      changes.forEach(follow);
    },
    status: (status) => void statuses.push(status),
    schema: (digest, schema) => void schemas.set(digest, schema),
    warning: (message) => void warnings.push(message),
  });
  const sorted = (keys: Iterable<string>): Endpoint[] => [...keys].sort().map((key) => set.get(key) as Endpoint);
  return {
    source,
    set,
    doubted,
    log,
    statuses,
    warnings,
    schemas,
    broken,
    endpoints: () => sorted(set.keys()),
    told: () => sorted([...set.keys()].filter((key) => !doubted.has(key))),
    removals: () => log.filter((line) => line.startsWith('remove ')),
  };
}
