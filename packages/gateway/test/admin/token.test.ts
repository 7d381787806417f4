import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readOrCreateToken } from '../../src/admin/token.ts';

let parent: string;
let stateDir: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'bascule-token-'));
  stateDir = join(parent, 'state');
});
afterEach(() => rm(parent, { recursive: true }));

test('is made of 256 bits, for the owner alone, and kept', async () => {
  const token = await readOrCreateToken(stateDir);
  expect(Buffer.from(token, 'base64url')).toHaveLength(32);
  expect((await stat(join(stateDir, 'token'))).mode & 0o777).toBe(0o600);
  expect((await stat(stateDir)).mode & 0o777).toBe(0o700);
  expect((await readFile(join(stateDir, 'token'), 'utf8')).trim()).toBe(token);
  expect(await readOrCreateToken(stateDir)).toBe(token);
  expect(await readdir(stateDir)).toEqual(['token']);
});

test('is one, however many start at once', async () => {
  const tokens = await Promise.all(Array.from({ length: 10 }, () => readOrCreateToken(stateDir)));
  expect(new Set(tokens).size).toBe(1);
  expect(await readdir(stateDir)).toEqual(['token']);
});

test('is closed to others again when it was opened', async () => {
  await readOrCreateToken(stateDir);
  await chmod(join(stateDir, 'token'), 0o644);
  await readOrCreateToken(stateDir);
  expect((await stat(join(stateDir, 'token'))).mode & 0o777).toBe(0o600);
});

test('is not taken from another user', { skip: process.getuid?.() !== 0 }, async () => {
  await readOrCreateToken(stateDir);
  await chown(join(stateDir, 'token'), 65_534, 65_534);
  await expect(readOrCreateToken(stateDir)).rejects.toThrow(/belongs to another user \(65534\)/);
});

test('is not read from what is no file', async () => {
  await mkdir(join(stateDir, 'token'), { recursive: true });
  await expect(readOrCreateToken(stateDir)).rejects.toThrow(/holds no token/);
  await rm(stateDir, { recursive: true });
  await mkdir(stateDir);
  await symlink('/dev/zero', join(stateDir, 'token'));
  await expect(readOrCreateToken(stateDir)).rejects.toThrow(/holds no token/);
});

test.each(['', 'short', 'spaces in a token of more than thirty-two characters'])('"%s" is no token', async (text) => {
  await readOrCreateToken(stateDir);
  await writeFile(join(stateDir, 'token'), text);
  const error = await readOrCreateToken(stateDir).catch((thrown: unknown) => thrown as Error);
  expect((error as Error).message).toContain('Remove it to get a new one');
  if (text !== '') expect((error as Error).message).not.toContain(text);
});
