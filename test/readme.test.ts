import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway, type Gateway } from '@bascule/gateway';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
/** Examples import from one folder below the root, as they would from an app. */
const examples = mkdtempSync(join(root, 'node_modules', '.readme-'));
const stateDir = mkdtempSync(join(tmpdir(), 'bascule-readme-'));
let gateway: Gateway;

/** A code block by the comment on its first line; `given` are the names that the text around it speaks of. */
function example(name: string, given: Record<string, string> = {}): string {
  const block = [...readme.matchAll(/```ts\n\/\/ (\w+)\n([\s\S]*?)```/g)].find((match) => match[1] === name)?.[2];
  if (block === undefined) throw new Error(`README.md has no example "${name}"`);
  const constants = Object.entries(given).map(([key, value]) => `const ${key} = ${JSON.stringify(value)};\n`);
  return constants.join('') + block.replaceAll('../apps/', `${root}/apps/`);
}

beforeAll(async () => {
  const module = join(examples, 'ranking');
  mkdirSync(module);
  writeFileSync(join(module, 'index.ts'), example('module'));
  const manifest = { name: 'ranking', version: '1.0.0', bascule: { module: 'ranking' } };
  writeFileSync(join(module, 'package.json'), JSON.stringify(manifest));
  writeFileSync(
    join(stateDir, 'bascule.yaml'),
    `stateDir: state\nmodules: {watch: [${module}]}\nobserve: {accessLog: "off"}\n`,
  );
  gateway = await startGateway({
    configFile: join(stateDir, 'bascule.yaml'),
    overrides: { port: 0, operatorPort: 0 },
  });
});

afterAll(async () => {
  await gateway.close();
  rmSync(examples, { recursive: true });
  rmSync(stateDir, { recursive: true });
});

it('shows a service, a module, a page and a caller that work together', async () => {
  const token = readFileSync(join(gateway.stateDir, 'token'), 'utf8').trim();
  const baseUrl = `http://127.0.0.1:${gateway.apiPort}`;
  const registryUrl = `http://127.0.0.1:${gateway.operatorPort}`;
  writeFileSync(join(examples, 'service.ts'), `${example('service', { registryUrl, token })}\nexport { server };\n`);
  writeFileSync(join(examples, 'page.ts'), `${example('page', { baseUrl })}\nexport { found };\n`);
  const { server } = (await import(join(examples, 'service.ts'))) as {
    server: { registered: Promise<void>; close(): Promise<void> };
  };
  await server.registered;
  await expect
    .poll(async () => {
      const { found } = (await import(`${join(examples, 'page.ts')}?${performance.now()}`)) as {
        found: { name: string }[];
      };
      return found.map(({ name }) => name);
    })
    .toEqual(['lisb']);
  writeFileSync(join(examples, 'caller.ts'), `${example('caller', { baseUrl })}\nexport { known };\n`);
  const { known } = (await import(join(examples, 'caller.ts'))) as { known: { name: string }[] };
  expect(known.map(({ name }) => name)).toEqual(['lisb']);
  const ranked = await fetch(`${baseUrl}/demo.ranking.v1.RankingService/Rank`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ candidates: [{ id: 7, name: 'Lisbon' }], callId: 'c1' }),
  });
  expect(await ranked.json()).toEqual({ ranked: [{ id: 7, name: 'Lisbon', score: 7 }], callId: 'c1' });
  await server.close();
});

it('names only commands and files that exist', () => {
  const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> })
    .scripts;
  for (const match of readme.matchAll(/npm run ([\w:]+)/g)) expect(scripts).toHaveProperty(match[1] as string);
  const files = [...readme.matchAll(/\]\((?!http)([^)#]+)\)/g)].map((match) => match[1] as string);
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});
