import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { unpackPackage } from '../src/origins/package.ts';
import { openSources } from '../src/origins/sources.ts';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import { makeFolder } from './support/fixtures.ts';
import { encodeTar, writeTgz, type TarEntry } from './support/tarball.ts';

const GOOD: TarEntry = { path: 'package/package.json', text: '{}' };
const LIMITS = { maxPackageBytes: 1_000_000, maxUnpackedBytes: 10_000, maxFiles: 20 };

async function unpack(
  entries: readonly TarEntry[],
  limits = LIMITS,
): Promise<{ outer: string; target: string; result: Promise<string> }> {
  const outer = await makeFolder();
  const target = join(outer, 'target');
  await mkdir(target);
  const file = await writeTgz(join(outer, 'a.tgz'), entries);
  return { outer, target, result: unpackPackage(file, target, limits) };
}

describe('package', () => {
  it('unpacks files and folders, and finds the folder that npm wraps around them', async () => {
    const { target, result } = await unpack([
      { path: 'package/', type: 'Directory' },
      GOOD,
      { path: 'package/src/deep/a.ts', text: 'a'.repeat(1000), mode: 0o6777 },
      { path: 'package/empty.txt' },
    ]);
    expect(await result).toBe(join(target, 'package'));
    expect(await readFile(join(target, 'package/src/deep/a.ts'), 'utf8')).toBe('a'.repeat(1000));
    // Neither set-user-id nor the execute bit is taken over.
    expect((await stat(join(target, 'package/src/deep/a.ts'))).mode & 0o7777).toBe(0o600);
  });

  it.each<[string, TarEntry[], string]>([
    ['a way out', [GOOD, { path: 'package/../../evil', text: 'x' }], 'leads outside'],
    ['an absolute path', [{ path: '/tmp/bascule-evil', text: 'x' }], 'absolute path'],
    ['a path of another system', [{ path: 'C:\\evil', text: 'x' }], 'the absolute path'],
    ['a backslash', [{ path: 'package\\..\\evil', text: 'x' }], 'malformed path'],
    ['a symbolic link', [GOOD, { path: 'package/link', type: 'SymbolicLink', linkpath: '/etc' }], 'is a SymbolicLink'],
    ['a hard link', [GOOD, { path: 'package/link', type: 'Link', linkpath: 'package/package.json' }], 'is a Link'],
    ['a device', [GOOD, { path: 'package/null', type: 'CharacterDevice' }], 'is a CharacterDevice'],
    ['a pipe', [GOOD, { path: 'package/pipe', type: 'FIFO' }], 'is a FIFO'],
    ['a name twice', [GOOD, { ...GOOD, text: '{"x":1}' }], 'twice'],
    ['names that differ in case', [GOOD, { path: 'package/Package.JSON' }], 'twice'],
    ['names that differ in composition', [{ path: 'e\u0301' }, { path: '\u00e9' }], 'twice'],
    [
      'a file that is a folder',
      [
        { path: 'a', text: 'x' },
        { path: 'a/b', text: 'x' },
      ],
      'cannot be unpacked',
    ],
    ['too many files', Array.from({ length: 21 }, (_, index) => ({ path: `f${index}` })), 'more than 20 files'],
    [
      'too many bytes',
      [
        { path: 'a', text: 'x'.repeat(6000) },
        { path: 'b', text: 'x'.repeat(6000) },
      ],
      'more than 10000 bytes',
    ],
    ['a size that is told and not there', [{ path: 'a', size: 10_000_000_000 }], 'more than 10000 bytes'],
    ['an end in the middle', [{ path: 'a', size: 5000, text: 'x' }], 'cannot be unpacked'],
  ])('refuses %s and writes nothing outside', async (_, entries, reason) => {
    const { outer, result } = await unpack(entries);
    await expect(result).rejects.toMatchObject({
      name: 'ModuleRefused',
      message: expect.stringContaining(reason) as string,
    });
    expect((await readdir(outer)).sort()).toEqual(['a.tgz', 'target']);
    await expect(stat('/tmp/bascule-evil')).rejects.toThrow('ENOENT');
  });

  it('stops a bomb of zeros behind the last entry', async () => {
    const outer = await makeFolder();
    const bomb = gzipSync(Buffer.concat([encodeTar([GOOD]), Buffer.alloc(30_000_000)]));
    await writeFile(join(outer, 'a.tgz'), bomb);
    await expect(unpackPackage(join(outer, 'a.tgz'), outer, LIMITS)).rejects.toThrow('unpacks to more than');
  });

  it.each([
    ['no gzip', Buffer.from('hello')],
    ['nothing', Buffer.alloc(0)],
    ['half of one', gzipSync(encodeTar([GOOD])).subarray(0, 40)],
    ['no archive', gzipSync(Buffer.from('x'.repeat(4096)))],
  ])('refuses %s', async (_, bytes) => {
    const outer = await makeFolder();
    await writeFile(join(outer, 'a.tgz'), bytes);
    await expect(unpackPackage(join(outer, 'a.tgz'), outer, LIMITS)).rejects.toMatchObject({ name: 'ModuleRefused' });
  });

  it('refuses a package that is too large before reading it', async () => {
    const { result } = await unpack([GOOD], { ...LIMITS, maxPackageBytes: 10 });
    await expect(result).rejects.toThrow('are allowed');
  });

  it('leaves no folder behind, whether it is refused or used', async () => {
    const outer = await makeFolder();
    const temp = join(outer, 'temp');
    await mkdir(temp);
    const bad = await writeTgz(join(outer, 'bad.tgz'), [{ path: '../evil' }]);
    await expect(openSources(bad, temp, DEFAULT_LIMITS)).rejects.toThrow('leads outside');
    const sources = await openSources(await writeTgz(join(outer, 'good.tgz'), [GOOD]), temp, DEFAULT_LIMITS);
    await sources.dispose();
    expect(await readdir(temp)).toEqual([]);
    await expect(openSources(join(outer, 'nothing'), temp, DEFAULT_LIMITS)).rejects.toThrow('no such file or folder');
  });
});
