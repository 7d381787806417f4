import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export const root = join(import.meta.dirname, '../..');

/** Writes an example where it finds what it imports, until the test ends; `given` are the names that its page speaks of. */
type WriteExample = (name: string, exported: string, given?: Readonly<Record<string, unknown>>) => string;

/** Examples of a page under `docs/`, by the comments on their first lines. */
export function examplesOf(page: string): WriteExample {
  const text = readFileSync(join(root, 'docs', page), 'utf8');
  return (name, exported, given = {}) => {
    const block = [...text.matchAll(/```ts\n\/\/ (\w+)\n([\s\S]*?)```/g)].find((match) => match[1] === name)?.[2];
    if (block === undefined) throw new Error(`docs/${page} has no example "${name}"`);
    const folder = mkdtempSync(join(root, 'node_modules', '.docs-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const constants = Object.entries(given).map(([key, value]) => `const ${key} = ${JSON.stringify(value)};\n`);
    const file = join(folder, 'example.ts');
    writeFileSync(
      file,
      `${constants.join('')}${block.replaceAll('../apps/', `${root}/apps/`)}\nexport { ${exported} };\n`,
    );
    return file;
  };
}
