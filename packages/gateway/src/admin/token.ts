import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

const TOKEN_BYTES = 32;
const MAX_FILE_BYTES = 4_096;

/**
 * The operator's token: read from `<stateDir>/token`, or made there, readable by the owner alone. It is kept over
 * restarts, so that tools need not be told anew. The token itself must never be logged.
 */
export async function readOrCreateToken(stateDir: string): Promise<string> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const file = join(stateDir, 'token');
  const kept = await readToken(file);
  if (kept !== undefined) return kept;
  await createToken(file);
  // Another process may have been faster; whatever stands there now is the one.
  const made = await readToken(file);
  if (made === undefined) throw new Error(`${file} was removed while it was made. Start again.`);
  return made;
}

async function readToken(file: string): Promise<string | undefined> {
  let handle: FileHandle;
  try {
    // Without waiting for a writer, should it be a pipe.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  try {
    return await readOwnToken(handle, file);
  } finally {
    await handle.close();
  }
}

async function readOwnToken(handle: FileHandle, file: string): Promise<string> {
  const { uid, mode, size } = await handle.stat();
  // Who could put the file there knows the token, and would get to run code in here.
  if (process.getuid !== undefined && uid !== process.getuid() && uid !== 0) {
    throw new Error(`${file} belongs to another user (${uid}). Remove it to get a new one, or make it yours.`);
  }
  const isFile = (mode & constants.S_IFMT) === constants.S_IFREG && size <= MAX_FILE_BYTES;
  const token = isFile ? (await handle.readFile('utf8')).trim() : '';
  if (!/^[A-Za-z0-9_-]{32,}$/.test(token)) {
    throw new Error(
      `${file} holds no token: expected 32 characters or more of A-Z a-z 0-9 _ -. Remove it to get a new one.`,
    );
  }
  // A copy of the folder, or a careless edit, may have opened it to others.
  if ((mode & 0o077) !== 0) await handle.chmod(0o600);
  return token;
}

/** Whole or not at all: a reader never sees an empty file, and the first of two writers wins. */
async function createToken(file: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(`${randomBytes(TOKEN_BYTES).toString('base64url')}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(temporary, file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
  } finally {
    await unlink(temporary);
  }
}
