import type { Answer } from '../../sources/feed.ts';
import type { Slice } from './endpoint-slice.ts';

/**
 * Whether a list continues what was known before. A cluster whose store was wiped or restored has no word for it: it
 * answers as if nothing had happened. But its versions go back, and slices that are made anew have other uids.
 */
export interface History {
  /** A list has come, of this version. */
  listed(before: readonly Slice[], after: readonly Slice[], version: string): void;
  /** Versions seen in a watch. Throws when they go back. */
  advance(version: string): void;
  /** The version to go on from. */
  version(): string;
  /** What it means to be missing in what was listed last. */
  meaning(): Answer['history'];
}

export function createHistory(): History {
  let version = '';
  let meaning: Answer['history'] = 'same';

  return {
    listed(before, after, next) {
      const uids = new Map(before.map(({ name, uid }) => [name, uid]));
      const hasSurvivor = after.some(({ name, uid }) => uids.get(name) === uid);
      meaning = before.length > 0 && (isBefore(next, version) || !hasSurvivor) ? 'new' : 'same';
      version = next;
    },
    advance(next) {
      if (isBefore(next, version)) {
        throw new Error(`the API server went back from version ${version} to ${next}: was its store restored?`);
      }
      version = next;
    },
    version: () => version,
    meaning: () => meaning,
  };
}

/** Versions of one cluster are numbers that grow; what is none is taken as it comes. */
function isBefore(next: string, version: string): boolean {
  const isNumber = (text: string): boolean => /^[0-9]{1,20}$/.test(text);
  return isNumber(next) && isNumber(version) && BigInt(next) < BigInt(version);
}
