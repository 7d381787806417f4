import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEndpointList, type EndpointList } from '../peers/file/endpoint-list.ts';
import { watchFile, type Stamp } from '../peers/file/watch-file.ts';
import { SpecError, type SourceOptions } from '../spec.ts';
import type { Feed, SourceDriver } from './feed.ts';

/** Three times what 10,000 endpoints with all their fields need. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** `file:///abs/endpoints.yaml`, or `file:endpoints.yaml` for one that is named from the folder of the configuration. */
export function openFileSource({ url, baseDir, clock, defaults }: SourceOptions): SourceDriver {
  const file = pathOf(url, baseDir);
  /** What was looked at last, good or bad: a bad file is not read again until it changes. */
  let seen: Stamp | undefined;

  async function follow(feed: Feed, signal: AbortSignal): Promise<void> {
    const watch = watchFile(file, clock);
    try {
      while (!signal.aborted) {
        seen = await watch.change(seen, signal);
        if (seen !== undefined) tell(feed, await readList());
      }
    } finally {
      watch.close();
    }
  }

  /** Throws with file, line and field, which ends the session: the source is stale until the file is mended. */
  async function readList(): Promise<EndpointList> {
    try {
      return parseEndpointList(await readLimited(file), defaults);
    } catch (error) {
      throw new Error(`${file}${wordsOf(error as NodeJS.ErrnoException)}`, { cause: error });
    }
  }

  function tell(feed: Feed, { endpoints, problems }: EndpointList): void {
    if (problems.length === 0) return feed.answer({ endpoints, history: 'decided' });
    for (const problem of problems) feed.warning(`${file}:${problem}`);
    // Whose entry cannot be read may not be known, so nobody counts as gone.
    for (const endpoint of endpoints) feed.put(endpoint);
    feed.connected();
  }

  return { follow, close: () => Promise.resolve() };
}

/** A host of dots stands for a relative name; see parseSystemUrl. */
function pathOf(url: URL, baseDir: string): string {
  const { host, pathname, search, hash } = url;
  if (search !== '' || hash !== '')
    throw new SpecError(`${url.href} has more than a file: escape "?" as %3F, "#" as %23`);
  if (pathname.endsWith('/')) throw new SpecError(`${url.href} is a folder: name a file in it`);
  try {
    if (host === '') return fileURLToPath(url);
    const up = '../'.repeat(host.length - 1);
    if (/^\.+$/.test(host)) return resolve(baseDir, up, `.${fileURLToPath(`file://${pathname}`)}`);
  } catch {
    throw new SpecError(`${url.href} is not the name of a file`);
  }
  throw new SpecError(
    `${url.href} names a host: write file:///folder/file, or file:file for one beside the configuration`,
  );
}

async function readLimited(file: string): Promise<string> {
  // Without waiting for a writer, should it be a pipe.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = await handle.stat();
    if (!facts.isFile()) throw new Error('is not a file');
    if (facts.size > MAX_FILE_BYTES) throw new Error(`is larger than ${MAX_FILE_BYTES} bytes`);
    const bytes = await handle.readFile();
    if (bytes.length !== facts.size) throw new Error('is being written');
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } finally {
    await handle.close();
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'may not be read: give the process the right to',
  EISDIR: 'is a folder',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'is not UTF-8',
};

/** What comes behind the name of the file. */
function wordsOf({ name, code = '', message }: NodeJS.ErrnoException): string {
  return name === 'PlacedError' ? `:${message}` : ` ${WORDS[code] ?? message}`;
}
