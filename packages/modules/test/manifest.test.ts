import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readManifest } from '../src/manifest.ts';
import { makeFolder, packageJson, writeFiles } from './support/fixtures.ts';

const INDEX = { 'index.ts': 'export default () => {};' };

describe('manifest', () => {
  it('takes the module name from the package name without its scope, and the entry from what is there', async () => {
    const folder = await writeFiles(await makeFolder(), {
      'package.json': packageJson('1.2.3-rc.1+build.5'),
      'index.js': '',
      'index.mjs': '',
    });
    expect(await readManifest(folder)).toEqual({
      name: '@demo/ranking',
      version: '1.2.3-rc.1+build.5',
      module: 'ranking',
      entryFile: join(folder, 'index.js'),
    });
  });

  it('prefers what the bascule section says', async () => {
    const bascule = { module: 'order', entry: 'src/main.ts' };
    const folder = await writeFiles(await makeFolder(), {
      'package.json': packageJson('1.0.0', { bascule }),
      'src/main.ts': '',
      ...INDEX,
    });
    expect(await readManifest(folder)).toMatchObject({ module: 'order', entryFile: join(folder, 'src/main.ts') });
  });

  it('falls back to main', async () => {
    const folder = await writeFiles(await makeFolder(), {
      'package.json': packageJson('1.0.0', { main: './lib/a.js' }),
      'lib/a.js': '',
    });
    expect((await readManifest(folder)).entryFile).toBe(join(folder, 'lib/a.js'));
  });

  it.each([
    ['{', 'package.json: not JSON'],
    ['[]', 'package.json: not an object'],
    ['null', 'package.json: not an object'],
    [JSON.stringify({ version: '1.0.0', bascule: {} }), 'field "name": missing'],
    [packageJson('1.0.0', { name: 7 }), 'field "name": not a string'],
    [packageJson('1.0.0', { name: '../evil' }), 'field "name": "../evil" is not a package name'],
    [packageJson('1.0.0', { name: 'Ranking' }), 'field "name"'],
    [JSON.stringify({ name: 'a', bascule: {} }), 'field "version": missing'],
    [packageJson('1.0'), 'field "version": "1.0" is not a semantic version'],
    [packageJson('01.0.0'), 'field "version"'],
    [packageJson('1.0.0-'), 'field "version"'],
    [packageJson('1.0.0', { bascule: undefined }), 'field "bascule": missing'],
    [packageJson('1.0.0', { bascule: true }), 'field "bascule": not an object'],
    [packageJson('1.0.0', { bascule: { entri: 'a.ts' } }), 'field "bascule.entri": unknown'],
    [packageJson('1.0.0', { bascule: { module: '../x' } }), 'field "bascule.module"'],
    [packageJson('1.0.0', { bascule: { entry: '../x.ts' } }), 'field "bascule.entry": "../x.ts" is outside the folder'],
    [packageJson('1.0.0', { bascule: { entry: '/etc/passwd' } }), 'is outside the folder'],
    [packageJson('1.0.0', { bascule: { entry: 'missing.ts' } }), 'there is no file "missing.ts"'],
    [packageJson('1.0.0', { bascule: { entry: '.' } }), 'there is no file "."'],
    [packageJson('1.0.0', { bascule: { entry: 3 } }), 'field "bascule.entry": not a file name'],
  ])('refuses %s', async (text, reason) => {
    const folder = await writeFiles(await makeFolder(), { 'package.json': text, ...INDEX });
    const refusal: unknown = await readManifest(folder).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ name: 'ModuleRefused', reason: expect.stringContaining(reason) as string });
    expect((refusal as { advice: string }).advice).toMatch(/^[A-Z]/);
  });

  it('refuses a folder without package.json, and one without an entry', async () => {
    await expect(readManifest(await makeFolder())).rejects.toThrow('package.json: missing');
    const folder = await writeFiles(await makeFolder(), { 'package.json': packageJson('1.0.0') });
    await expect(readManifest(folder)).rejects.toThrow('there is no index.ts, index.js, index.mjs');
  });

  it('refuses an entry that a symbolic link leads outside', async () => {
    const outside = await writeFiles(await makeFolder(), { 'secret.ts': '' });
    const folder = await makeFolder();
    await symlink(join(outside, 'secret.ts'), join(folder, 'entry.ts'));
    await writeFile(join(folder, 'package.json'), packageJson('1.0.0', { bascule: { entry: 'entry.ts' } }));
    await expect(readManifest(folder)).rejects.toThrow('leads outside the folder');
  });
});
