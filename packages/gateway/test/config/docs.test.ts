import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { formatConfigError } from '../../src/config/error.ts';
import { parseConfig } from '../../src/config/load.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const readPage = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

describe('takes every configuration that is shown', () => {
  const blocks = ['README.md', 'docs/balancing.md', 'docs/discovery.md'].flatMap((page) => {
    return [...readPage(page).matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => [page, match[1] as string] as const);
  });

  test('there are some', () => {
    expect(blocks.length).toBeGreaterThan(3);
  });

  test.each(blocks)('in %s: %s', (_page, block) => {
    expect(parseConfig(block, 'docs.yaml')).toMatchObject({ ok: true });
  });
});

it('refuses a configuration as the README shows it', () => {
  const refused = parseConfig('# A port too many.\nlistener:\n  port: 70000\n', 'bascule.yaml');
  const lines = refused.ok ? [] : refused.errors.map(formatConfigError);
  expect(lines).toHaveLength(1);
  expect(readPage('README.md')).toContain(`\n${lines[0]}\n`);
});

it('writes every metric that is named', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('{docs/*.md,proto/bascule/**/*.proto}', { cwd: ROOT })];
  const named = new Set(pages.flatMap((page) => readPage(page).match(/bascule_[a-z_]+[a-z]/g) ?? []));
  const source = globSync('packages/*/src/**/*.ts', { cwd: ROOT, exclude: ['**/gen/**'] })
    .map(readPage)
    .join('\n');
  expect(named.size).toBeGreaterThan(3);
  expect([...named].filter((name) => !source.includes(name))).toEqual([]);
});
