import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

/** The bytes of a file, shared by all who send them at the same time. */
export interface FileContent {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/** Reads the file of a real path; undefined where it is none, or too large. */
export type FileReader = (path: string) => Promise<FileContent | undefined>;

/** Files larger than this are not for this server: they are answered as not found. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * Callers who take a file slowly hold its bytes. They hold the same ones: else a few hundred of them, asking for a large
 * file each, would fill the memory. Nothing is held for nobody.
 */
export function createFileReader(): FileReader {
  const kept = new Map<string, { readonly stamp: string; readonly content: WeakRef<FileContent> }>();
  const reading = new Map<string, Promise<FileContent>>();
  return async (path) => {
    const facts = await stat(path, { bigint: true });
    if (!facts.isFile() || facts.size > MAX_FILE_BYTES) return undefined;
    const stamp = `${facts.ino}:${facts.size}:${facts.mtimeNs}`;
    const known = kept.get(path);
    const content = known?.stamp === stamp ? known.content.deref() : undefined;
    if (content !== undefined) return content;
    const key = `${stamp} ${path}`;
    const read = reading.get(key) ?? readContent(path).finally(() => reading.delete(key));
    reading.set(key, read);
    const fresh = await read;
    kept.set(path, { stamp, content: new WeakRef(fresh) });
    return fresh;
  };
}

async function readContent(path: string): Promise<FileContent> {
  const bytes = await readFile(path);
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}
