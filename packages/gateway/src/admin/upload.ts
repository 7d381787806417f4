import { randomUUID } from 'node:crypto';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeployRequest } from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import { Code, ConnectError } from '@connectrpc/connect';

/** A package that has arrived whole. */
export interface Upload {
  readonly path: string;
  /** Where the sender says it came from. */
  readonly source: string;
}

export interface Uploads {
  /** Writes a streamed package to a file, hands it to `use`, and removes it whatever happens. */
  receive<T>(incoming: Incoming, use: (upload: Upload) => Promise<T>): Promise<T>;
}

interface Incoming {
  readonly parts: AsyncIterable<DeployRequest>;
  /** Aborted when the sender is gone. */
  readonly signal: AbortSignal;
}

export interface UploadsOptions {
  /** Belongs to this object alone: what a crash left in it is removed before the first upload. */
  readonly folder: string;
  /** Largest package taken; read anew for each upload. */
  maxPackageBytes(): number;
}

/** Takes packages piece by piece to disk, so that their size is no matter of memory. */
export function createUploads(options: UploadsOptions): Uploads {
  let prepared: Promise<void> | undefined;
  return {
    async receive({ parts, signal }, use) {
      // What failed once, as on a full disk, is tried again by the next upload.
      prepared ??= prepare(options.folder).catch((error: unknown) => {
        prepared = undefined;
        throw error;
      });
      await prepared;
      const path = join(options.folder, `${randomUUID()}.tgz`);
      try {
        const file = await open(path, 'wx', 0o600);
        let source: string;
        try {
          source = await writeParts(untilAborted(parts, signal), file, options.maxPackageBytes());
        } finally {
          await file.close();
        }
        return await use({ path, source });
      } finally {
        await rm(path, { force: true });
      }
    },
  };
}

async function prepare(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** A sender that has gone may leave its iterator waiting forever; the signal ends the wait. */
async function* untilAborted<T>(parts: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const gone = Promise.withResolvers<never>();
  // Nobody may be waiting when it comes.
  gone.promise.catch(() => {});
  const abort = (): void => gone.reject(new ConnectError('the upload was given up', Code.Canceled));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  const iterator = parts[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), gone.promise]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    // Not awaited: a generator that waits would never answer.
    void iterator.return?.().catch(() => {});
  }
}

/** Answers the source that the first message names. A sender that goes away throws out of the loop. */
async function writeParts(parts: AsyncIterable<DeployRequest>, file: FileHandle, maxBytes: number): Promise<string> {
  let source: string | undefined;
  let bytes = 0;
  for await (const { part } of parts) {
    if (part.case === 'start') {
      if (source !== undefined) throw broken('names the package twice');
      source = part.value.source;
    } else if (part.case === 'chunk') {
      if (source === undefined) throw broken('sends bytes before it names the package');
      bytes += part.value.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      await file.writeFile(part.value);
    } else {
      throw broken('holds a message with neither a start nor a chunk');
    }
  }
  if (source === undefined || bytes === 0) throw broken('holds no package');
  return source;
}

function broken(what: string): ConnectError {
  return new ConnectError(
    `the upload ${what}\nSend one start, then the bytes of a .tgz in chunks.`,
    Code.InvalidArgument,
  );
}

function tooLarge(maxBytes: number): ConnectError {
  const advice = 'Leave out what the module does not need, or raise modules.maxPackageBytes.';
  return new ConnectError(`the package is larger than ${maxBytes} bytes\n${advice}`, Code.ResourceExhausted);
}
