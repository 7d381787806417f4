import { createHash } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** What tells the files of two sources apart: another system behind an old name is another source. */
export interface SourceIdentity {
  readonly name: string;
  readonly url: string;
}

/** Readable, and different for each name and URL. */
export function fileNameOf({ name, url }: SourceIdentity): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([name, url]))
    .digest('hex');
  return `${name.replaceAll(/[^A-Za-z0-9.-]+/g, '_').slice(0, 64)}-${digest.slice(0, 12)}.json`;
}

/** With what is written beside it: the generation before, and what a crash left unfinished. */
const FILE_NAME = /^(.+-[0-9a-f]{12}\.json)(?:\.previous|\.new)?$/;

/**
 * Removes the files of all other sources that were written before `beforeMs` (wall clock): no start would take them any
 * more. Younger ones stay, since their sources may be missing by mistake. Never rejects; what cannot be removed stays.
 */
export async function removeOldFiles(
  folder: string,
  { keep, beforeMs }: { readonly keep: readonly SourceIdentity[]; readonly beforeMs: number },
): Promise<void> {
  const kept = new Set(keep.map(fileNameOf));
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const [, base] = FILE_NAME.exec(name) ?? [];
    if (base === undefined || kept.has(base)) continue;
    const file = join(folder, name);
    const writtenMs = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      () => Infinity,
    );
    if (writtenMs < beforeMs) await rm(file, { force: true }).catch(() => undefined);
  }
}
