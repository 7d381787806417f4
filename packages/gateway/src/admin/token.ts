import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';

const TOKEN_BYTES = 32;

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
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  const token = text.trim();
  if (!/^[A-Za-z0-9_-]{32,}$/.test(token)) {
    throw new Error(
      `${file} holds no token: expected 32 characters or more of A-Z a-z 0-9 _ -. Remove it to get a new one.`,
    );
  }
  // A copy of the folder, or a careless edit, may have opened it to others.
  await chmod(file, 0o600);
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
