import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { Header } from 'tar';

/** One entry of an archive, lawful or not. */
export interface TarEntry {
  readonly path: string;
  readonly text?: string;
  readonly type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'FIFO';
  readonly linkpath?: string;
  /** Size that the header tells, when it lies. */
  readonly size?: number;
  readonly mode?: number;
}

/** Bytes of a .tar, header by header, so that it can hold what packers refuse to write. */
export function encodeTar(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap(({ path, text = '', type = 'File', linkpath = '', size, mode = 0o644 }) => {
    const block = Buffer.alloc(512);
    const body = Buffer.from(text);
    new Header({
      path,
      type,
      linkpath,
      mode,
      size: size ?? body.length,
      mtime: new Date(0),
      uid: 0,
      gid: 0,
      devmaj: 1,
      devmin: 3,
    }).encode(block);
    return [block, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** Writes a .tgz. */
export async function writeTgz(file: string, entries: readonly TarEntry[]): Promise<string> {
  await writeFile(file, gzipSync(encodeTar(entries)));
  return file;
}
