import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Endpoint } from '@bascule/core';

/** A set of endpoints with the descriptors that they name, by digest. */
export interface KnownState {
  readonly endpoints: readonly Endpoint[];
  readonly schemas: ReadonlyMap<string, Uint8Array>;
}

/** The last known set on disk, so that a start needs no registry. */
export interface LastKnown {
  /** Resolves when `state`, or a later one, is safe on disk. Calls in between are put together. */
  save(state: KnownState): Promise<void>;
  /** The newest generation that is whole, or undefined. Never throws. */
  load(): KnownState | undefined;
}

/** Of the file's format. A file of another version counts as not there. */
const VERSION = 2;

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
      await writeDurably(temporary, encode(state, clock.wallMs()));
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
    load: () => read(file) ?? read(previous),
  };
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.writeFile(text);
    // Without it a crash of the machine may leave the new name on an empty file.
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

/** One line with version and checksum, then the state as JSON. */
function encode(state: KnownState, savedMs: number): string {
  const schemas = [...state.schemas].map(([digest, bytes]) => [digest, Buffer.from(bytes).toString('base64')]);
  const content = JSON.stringify({ savedMs, endpoints: state.endpoints, schemas });
  return `${JSON.stringify({ version: VERSION, sha256: checksum(content) })}\n${content}\n`;
}

function read(file: string): KnownState | undefined {
  try {
    return decode(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function decode(text: string): KnownState | undefined {
  const split = text.indexOf('\n');
  const header = JSON.parse(text.slice(0, split)) as { version?: unknown; sha256?: unknown };
  const content = text.slice(split + 1, -1);
  if (header.version !== VERSION || header.sha256 !== checksum(content) || !text.endsWith('\n')) return undefined;
  const state = JSON.parse(content) as { endpoints: Endpoint[]; schemas: [string, string][] };
  return {
    endpoints: state.endpoints,
    // Exact copies: a view of Buffer's pool would take the whole pool along to another thread.
    schemas: new Map(state.schemas.map(([digest, base64]) => [digest, new Uint8Array(Buffer.from(base64, 'base64'))])),
  };
}

function checksum(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}
