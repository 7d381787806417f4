import { execFileSync } from 'node:child_process';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_TLS } from '@bascule/testing/tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatConfigError } from '../../src/config/error.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { REFUSED } from './refused-texts.ts';

describe('a refused text says where and why', () => {
  test.each(REFUSED.map(([name, text, ...errors]) => ({ name, text, errors })))(
    '$name',
    ({ text, errors: expected }) => {
      const result = parseConfig(text, 'f.yaml');
      const lines = result.ok ? [] : result.errors.map(formatConfigError);
      expect(lines).toHaveLength(expected.length);
      for (const [index, pattern] of expected.entries()) expect(lines[index]).toMatch(pattern);
    },
  );

  test('aliases that multiply are refused before they are written out', () => {
    let text = 'a0: &a0 [x, x, x, x, x, x, x, x, x]\n';
    for (let level = 1; level < 12; level++) {
      const last = `*a${level - 1}`;
      text += `a${level}: &a${level} [${Array.from({ length: 9 }, () => last).join(', ')}]\n`;
    }
    const result = parseConfig(text, 'f.yaml');
    expect(result.ok || result.errors[0]?.message).toMatch(/alias/i);
  });

  test('nesting without end is refused, not a crash', () => {
    for (const depth of [1000, 20_000]) {
      expect(parseConfig('['.repeat(depth) + ']'.repeat(depth), 'f.yaml').ok).toBe(false);
      expect(parseConfig('{a: '.repeat(depth) + '}'.repeat(depth), 'f.yaml').ok).toBe(false);
    }
  });

  test('a thousand errors end with a readable list', () => {
    const text = Array.from({ length: 1000 }, (_, index) => `zebra${index}: 1\n`).join('');
    const result = parseConfig(text, 'f.yaml');
    expect(result.ok || result.errors.length).toBe(20);
  });
});

describe('a refused file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bascule-config-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const errorOf = async (file: string): Promise<string> => {
    const result = await loadConfig(file);
    return result.ok ? '' : result.errors.map(formatConfigError).join('\n');
  };

  test('that does not exist', async () => {
    const file = join(folder, 'none.yaml');
    expect(await errorOf(file)).toContain(`${file}:1:1 does not exist.`);
  });

  test('that is a folder', async () => {
    await mkdir(join(folder, 'dir.yaml'));
    expect(await errorOf(join(folder, 'dir.yaml'))).toContain('is a folder');
  });

  test.each([
    ['a device', 'ln', ['-s', '/dev/zero']],
    ['a pipe', 'mkfifo', []],
  ])('that is %s, which may never end', async (kind, command, args) => {
    const file = join(folder, `${kind}.yaml`);
    execFileSync(command, [...args, file]);
    expect(await errorOf(file)).toContain('is not a file');
  });

  test('of 10 MB', async () => {
    const file = join(folder, 'large.yaml');
    await writeFile(file, `# ${'x'.repeat(10_000_000)}\n`);
    expect(await errorOf(file)).toContain('is larger than 1048576 bytes (has 10000003)');
  });

  test('that names files which cannot be used', async () => {
    const file = join(folder, 'named.yaml');
    const path = (name: string): string => join(folder, name);
    await writeFile(path('empty'), ' \n');
    await writeFile(path('no-pem'), 'certainly\n');
    await writeFile(path('cert'), TEST_TLS.cert);
    await writeFile(path('key'), TEST_TLS.key);
    await writeFile(
      file,
      `discovery:
  embeddedRegistry: true
  registryAccessFile: none-1
  endpoints: [{address: "a:1", services: [a.B], schema: none-2}]
  sources:
    - {url: "http://a:1", tokenFile: empty, schema: empty}
    - {url: "http://b:1", passwordFile: .}
`,
    );
    expect(await errorOf(file)).toBe(
      [
        `${file}:3:23 discovery.registryAccessFile: ${path('none-1')} does not exist. Correct it, or name another.`,
        `${file}:4:57 discovery.endpoints[0].schema: ${path('none-2')} does not exist. Correct it, or name another.`,
        `${file}:6:38 discovery.sources[0].tokenFile: ${path('empty')} is empty. Correct it, or name another.`,
        `${file}:7:41 discovery.sources[1].passwordFile: ${folder} is not a file. Correct it, or name another.`,
      ].join('\n'),
    );
    await writeFile(
      file,
      `discovery:
  sources:
    - {url: "https://a:1", caFile: no-pem}
    - {url: "https://b:1", certFile: cert, keyFile: no-pem}
    - {url: "https://c:1", caFile: cert, certFile: cert, keyFile: key}
`,
    );
    const errors = (await errorOf(file)).split('\n');
    await writeFile(
      file,
      'services:\n  a.A: {tls: {caFile: none-3}}\n  a.B: {tls: {certFile: cert, keyFile: empty}}\n',
    );
    expect(await errorOf(file)).toBe(
      [
        `${file}:2:23 services["a.A"].tls.caFile: ${path('none-3')} does not exist. Correct it, or name another.`,
        `${file}:3:40 services["a.B"].tls.keyFile: ${path('empty')} is empty. Correct it, or name another.`,
      ].join('\n'),
    );
    await writeFile(
      file,
      'services:\n  "*": {tls: {caFile: no-pem}}\n  a.B: {tls: {certFile: cert, keyFile: no-pem}}\n',
    );
    const [ofCa, ofKey] = (await errorOf(file)).split('\n');
    expect(ofCa).toContain(`${file}:2:23 services["*"].tls.caFile: cannot be used (`);
    expect(ofKey).toContain(`${file}:3:25 services["a.B"].tls.certFile: cannot be used (`);
    expect(errors).toHaveLength(2);
    expect(errors[0]).toContain(`${file}:3:36 discovery.sources[0].caFile: cannot be used (`);
    expect(errors[1]).toContain(`${file}:4:38 discovery.sources[1].certFile: cannot be used (`);
  });

  test('that is not text', async () => {
    const file = join(folder, 'binary.yaml');
    await writeFile(file, Uint8Array.of(0x61, 0x3a, 0xff, 0xfe));
    expect(await errorOf(file)).toContain('is not UTF-8 text');
  });
});
