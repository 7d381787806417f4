import { bundleFolder } from '@bascule/modules';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { list, extract } from 'tar';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { toFailure } from '../src/failure.ts';
import { openPackage } from '../src/package-source.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-pack-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  const file = join(folder, 'sent.tgz');
  await writeFile(file, Buffer.concat(parts));
  return file;
}

async function namesIn(file: string): Promise<string[]> {
  const names: string[] = [];
  await list({ file, onReadEntry: (entry) => void names.push(entry.path) });
  return names.sort();
}

test('what a folder imports from outside of it goes along, and nothing else', async () => {
  await mkdir(join(folder, 'module'));
  await writeFile(join(folder, 'shared.ts'), 'export const greeting: string = "from outside";\n');
  const manifest = { name: '@demo/greet', version: '1.2.3', bascule: {} };
  await writeFile(join(folder, 'module/package.json'), JSON.stringify(manifest));
  await writeFile(join(folder, 'module/.env'), 'SECRET=1');
  const entry = "import { greeting } from '../shared.ts';\nexport default () => greeting;\n";
  await writeFile(join(folder, 'module/index.ts'), entry);
  const file = await collect(await openPackage(join(folder, 'module'), bundleFolder));
  expect(await namesIn(file)).toEqual(['index.mjs', 'package.json']);
  await extract({ file, cwd: folder });
  const bundled = (await import(join(folder, 'index.mjs'))) as { default(): string };
  expect(bundled.default()).toBe('from outside');
});

test('a bundled folder goes as one file of code with a manifest, and leaves nothing behind', async () => {
  // One of its own: other tests deploy at the same time.
  const temporary = join(folder, 'tmp');
  await mkdir(temporary);
  vi.stubEnv('TMPDIR', temporary);
  onTestFinished(() => void vi.unstubAllEnvs());
  const code = new TextEncoder().encode('export default () => {};\n');
  const chunks = await openPackage(folder, async () => ({
    name: '@demo/ranking',
    version: '2.0.0',
    module: 'ranking',
    code,
  }));
  const file = await collect(chunks);
  expect(await namesIn(file)).toEqual(['index.mjs', 'package.json']);
  const target = join(folder, 'unpacked');
  await mkdir(target);
  await extract({ file, cwd: target });
  expect(await readFile(join(target, 'index.mjs'), 'utf8')).toBe('export default () => {};\n');
  expect(JSON.parse(await readFile(join(target, 'package.json'), 'utf8'))).toEqual({
    name: '@demo/ranking',
    version: '2.0.0',
    type: 'module',
    bascule: { module: 'ranking', entry: 'index.mjs' },
  });
  expect(await readdir(temporary)).toEqual([]);
});

test('a folder that does not bundle is told in the words of the bundler', async () => {
  const refusal = Object.assign(new Error(), { reason: 'index.ts:1:8: could not resolve "x"', advice: 'Install it' });
  const thrown: unknown = await openPackage(folder, () => Promise.reject(refusal)).catch((error: unknown) => error);
  expect(toFailure(thrown)).toMatchObject({
    exitCode: 1,
    message: 'index.ts:1:8: could not resolve "x"',
    advice: 'Install it',
  });
});
