import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';

const DOCS = join(import.meta.dirname, '../../../../docs');

it('takes every configuration that the page on balancing shows', () => {
  const page = readFileSync(join(DOCS, 'balancing.md'), 'utf8');
  const blocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] as string);
  expect(blocks.length).toBeGreaterThan(1);
  for (const block of blocks) expect(parseConfig(block, 'docs.yaml')).toMatchObject({ ok: true });
});
