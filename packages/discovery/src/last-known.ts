import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Endpoint } from '@bascule/core';

/** What a source says: its endpoints with the descriptors that they name, by digest. */
export interface KnownState {
  /** As their source says them: what checks have found is no news after a restart. */
  readonly endpoints: readonly Endpoint[];
  readonly schemas: ReadonlyMap<string, Uint8Array>;
}

/** A set from disk. */
export interface LoadedState extends KnownState {
  /** Wall-clock milliseconds of the save. */
  readonly savedMs: number;
  /** Never below 0. */
  readonly ageMs: number;
  /** It was saved by a clock that is ahead of ours, or ours was put back: its age is not known, and counts as 0. */
  readonly isFromFuture: boolean;
  /** The newest generation was damaged or missing, and this is the one before. */
  readonly isPrevious: boolean;
}

/** The last known set on disk, so that a start needs no registry. One file for each source. */
export interface LastKnown {
  /** Resolves when `state`, or a later one, is safe on disk. Calls in between are put together. */
  save(state: KnownState): Promise<void>;
  /**
   * The newest generation that is whole; undefined when there is none, or it is older than `maxAgeMs` (default: any
   * age). Never throws.
   */
  load(options?: { readonly maxAgeMs?: number }): LoadedState | undefined;
}

/** Of the file's format. A file of another version counts as not there. */
const VERSION = 3;
/** Endpoints to a line: so long at most, some milliseconds, nothing else runs while a set is written. */
const LINE_SIZE = 256;

/** `file` and, for the generation before, `<file>.previous`; the folder is made when needed. */
export function createLastKnown(options: { file: string; clock: Clock }): LastKnown {
  const { file, clock } = options;
  const previous = `${file}.previous`;
  let writing: Promise<void> = Promise.resolve();
  let next: { state: KnownState; done: Promise<void> } | undefined;

  async function write(state: KnownState): Promise<void> {
    const temporary = `${file}.new`;
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeDurably(temporary, linesOf(state, clock.wallMs()));
      await rename(file, previous).catch(ignoreMissing);
      await rename(temporary, file);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  return {
    save(state) {
      if (next !== undefined) {
        next.state = state;
        return next.done;
      }
      const turn: { state: KnownState; done: Promise<void> } = { state, done: Promise.resolve() };
      turn.done = writing.then(() => {
        next = undefined;
        return write(turn.state);
      });
      next = turn;
      // A failed write is told to who asked for it; the next one begins anew.
      writing = turn.done.catch(() => undefined);
      return turn.done;
    },
    load({ maxAgeMs = Infinity } = {}) {
      const newest = read(file);
      const content = newest ?? read(previous);
      if (content === undefined) return undefined;
      const { savedMs } = content;
      const ageMs = Math.max(0, clock.wallMs() - savedMs);
      if (ageMs > maxAgeMs) return undefined;
      return { ...content, ageMs, isFromFuture: savedMs > clock.wallMs(), isPrevious: newest === undefined };
    },
  };
}

/** The lines, and behind them one with their checksum. */
async function writeDurably(file: string, lines: Iterable<string>): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  const hash = createHash('sha256');
  try {
    for (const line of lines) {
      hash.update(line);
      await handle.writeFile(line);
    }
    await handle.writeFile(checksumLine(hash.digest('hex')));
    // Without it a crash of the machine may leave the new name on an empty file.
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

type Line =
  | { readonly version: number; readonly savedMs: number }
  | { readonly endpoints: readonly Endpoint[] }
  | { readonly digest: string; readonly schema: string };

function* linesOf({ endpoints, schemas }: KnownState, savedMs: number): Generator<string> {
  yield lineOf({ version: VERSION, savedMs });
  for (let from = 0; from < endpoints.length; from += LINE_SIZE) {
    yield lineOf({ endpoints: endpoints.slice(from, from + LINE_SIZE) });
  }
  for (const [digest, bytes] of schemas) yield lineOf({ digest, schema: Buffer.from(bytes).toString('base64') });
}

function lineOf(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}

function checksumLine(sha256: string): string {
  return `${JSON.stringify({ sha256 })}\n`;
}

type Content = Pick<LoadedState, 'endpoints' | 'schemas' | 'savedMs'>;

function read(file: string): Content | undefined {
  try {
    return decode(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function decode(text: string): Content | undefined {
  const end = text.lastIndexOf('\n', text.length - 2) + 1;
  const sha256 = createHash('sha256').update(text.slice(0, end)).digest('hex');
  if (text.slice(end) !== checksumLine(sha256)) return undefined;
  const [first, ...lines] = text
    .slice(0, end - 1)
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  if (first === undefined || !('version' in first) || first.version !== VERSION) return undefined;
  const endpoints: Endpoint[] = [];
  const schemas = new Map<string, Uint8Array>();
  for (const line of lines) {
    if ('endpoints' in line) endpoints.push(...line.endpoints);
    // An exact copy: a view of Buffer's pool would take the whole pool along to another thread.
    if ('digest' in line) schemas.set(line.digest, new Uint8Array(Buffer.from(line.schema, 'base64')));
  }
  return { endpoints, schemas, savedMs: first.savedMs };
}
