import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@bascule/core';
import { expect, onTestFinished, test } from 'vitest';
import { createAccessLog } from '../../src/data/access-log.ts';

function createFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'new', 'access.log');
}

test('every line arrives whole and in order, however many and however wide', async () => {
  const file = createFile();
  const log = createAccessLog(file, systemClock);
  const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'größer 東京 '.repeat(i % 40)}\n`);
  for (const [i, line] of lines.entries()) {
    log.write(line);
    // A disk is given its turns, or the log would rightly drop lines.
    if (i % 500 === 499) await new Promise((resolve) => void setImmediate(resolve));
  }
  await log.close();
  expect(readFileSync(file, 'utf8') === lines.join('')).toBe(true);
});

test('lines go out by themselves after a while', async () => {
  const file = createFile();
  const log = createAccessLog(file, systemClock);
  log.write('one\n');
  await expect.poll(() => readFileSync(file, 'utf8')).toBe('one\n');
  log.write('two\n');
  await expect.poll(() => readFileSync(file, 'utf8')).toBe('one\ntwo\n');
  await log.close();
});

test('a disk that does not keep up costs lines, not memory', async () => {
  const file = createFile();
  const log = createAccessLog(file, systemClock);
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 20_000; i++) log.write(line);
  await log.close();
  const { length } = readFileSync(file);
  expect(length).toBeGreaterThan(line.length * 1_000);
  expect(length).toBeLessThan(line.length * 10_000);
  expect(length % line.length).toBe(0);
});

test.each([0, 3])('a pipe whose reader is slow gets every line, whole; of %i more threads as well', async (threads) => {
  const program = fileURLToPath(new URL('./access-log-writer.ts', import.meta.url));
  const writer = spawn(process.execPath, [program, String(threads)], { stdio: ['ignore', 'pipe', 'pipe'] });
  // It has written all it has, and the pipe holds a part of it.
  await once(writer.stderr, 'data');
  let text = '';
  for await (const chunk of writer.stdout.setEncoding('utf8')) text += String(chunk);
  const lines = text.split('\n').slice(0, -1);
  expect(lines.filter((line) => !/^\d+-\d+ x{200}$/.test(line))).toEqual([]);
  expect(new Set(lines).size).toBe(2_000 * Math.max(1, threads));
});
