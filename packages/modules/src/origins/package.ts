import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { formatMib, type ModuleLimits } from '../limits.ts';
import { messageOf, ModuleRefused } from '../refusal.ts';
import { createEntryGate } from './entry-path.ts';

type PackageLimits = Pick<ModuleLimits, 'maxPackageBytes' | 'maxUnpackedBytes' | 'maxFiles'>;

/**
 * Unpacks a .tgz into an empty folder of ours and returns the folder that holds its package.json. Only plain files and
 * folders are written, by us and with our modes; nothing in it is run. Throws ModuleRefused at the first bad entry.
 */
export async function unpackPackage(file: string, target: string, limits: PackageLimits): Promise<string> {
  const { size } = await stat(file);
  if (size > limits.maxPackageBytes) {
    throw new ModuleRefused(
      `the package has ${formatMib(size)}, and ${formatMib(limits.maxPackageBytes)} are allowed`,
      'Leave out what the module does not need',
    );
  }
  const unpacker = createUnpacker(target, limits);
  try {
    // Each entry costs a header and padding, so this is more than any lawful archive needs, and bounds a gzip bomb.
    const maxTarBytes = limits.maxUnpackedBytes + limits.maxFiles * 2048 + 1_048_576;
    await pipeline(createReadStream(file), createGunzip(), createByteLimit(maxTarBytes), unpacker.sink);
  } catch (error) {
    if (error instanceof ModuleRefused) throw error;
    throw new ModuleRefused(
      `the package cannot be unpacked: ${messageOf(error)}`,
      'Pack it with "npm pack" or "tar czf"',
    );
  } finally {
    await unpacker.settle();
  }
  return findPackageFolder(target);
}

/** npm puts everything under "package/", other packers under a folder of another name or none. */
async function findPackageFolder(target: string): Promise<string> {
  const names = await readdir(target, { withFileTypes: true });
  const [only] = names;
  return names.length === 1 && only?.isDirectory() === true ? join(target, only.name) : target;
}

function createByteLimit(maxBytes: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        done(
          new ModuleRefused(
            `the package unpacks to more than ${maxBytes} bytes`,
            'Leave out what the module does not need',
          ),
        );
      } else {
        done(null, chunk);
      }
    },
  });
}

interface Unpacker {
  readonly sink: Writable;
  /** Stops what is still being written and waits for it, so that the folder can be removed. */
  settle(): Promise<void>;
}

function createUnpacker(target: string, limits: PackageLimits): Unpacker {
  const placeOf = createEntryGate(limits);
  const abort = new AbortController();
  const writes: Promise<void>[] = [];
  const fail = (error: Error): void => void sink.destroy(error);
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry: ReadEntry) => {
      try {
        const place = placeOf({ path: entry.path, type: entry.type, bytes: entry.size ?? 0 });
        const path = join(target, ...place.parts);
        const write = place.kind === 'file' ? writeEntry(entry, path, abort.signal) : makeFolder(entry, path);
        write.catch(fail);
        writes.push(write);
      } catch (error) {
        fail(error as Error);
      }
    },
  });
  parser.on('error', fail);
  const ended = new Promise<void>((resolve) => parser.on('end', resolve));
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (parser.write(chunk)) done();
      else parser.once('drain', () => done());
    },
    final(finished) {
      parser.end();
      ended.then(() => Promise.all(writes)).then(() => finished(), finished);
    },
  });
  return {
    sink,
    async settle() {
      abort.abort();
      await Promise.allSettled(writes);
    },
  };
}

async function writeEntry(entry: ReadEntry, path: string, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // "wx": never through a file that is already there.
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
  await pipeline(entry as unknown as AsyncIterable<Buffer>, file, { signal });
}

async function makeFolder(entry: ReadEntry, path: string): Promise<void> {
  entry.resume();
  await mkdir(path, { recursive: true, mode: 0o700 });
}
