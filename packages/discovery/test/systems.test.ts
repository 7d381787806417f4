import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { createVirtualClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { SpecError, type SourceOptions } from '../src/spec.ts';
import { openRegistrar, openSource } from '../src/systems.ts';
import { createEndpoint } from './contract/endpoints.ts';

const SRC = join(import.meta.dirname, '..', 'src');

function optionsFor(url: string): SourceOptions {
  return {
    url: new URL(url),
    credentials: {},
    clock: createVirtualClock(),
    dial: () => {
      throw new Error('nobody is dialled');
    },
    defaults: { services: [], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' },
    env: {},
    baseDir: '/',
    schemas: new Map(),
  };
}

describe('a system', () => {
  it.each(['gopher://h:70', 'ftp://h', 'constructor:x', '__proto__:x'])(
    'that is none is told with those there are: %s',
    async (url) => {
      if (!URL.canParse(url)) return;
      const opening = openSource(optionsFor(url));
      await expect(opening).rejects.toThrow(SpecError);
      await expect(opening).rejects.toThrow(
        /"[a-z_]+:" is no scheme of a discovery system; there are http, https, .*dns/,
      );
    },
  );

  it.each(['static:h:1', 'env:X', 'file:///x', 'dns:///x:1', 'dns+srv:///x'])(
    'that only lists cannot be registered with: %s',
    async (url) => {
      const { env, baseDir, defaults, schemas, ...options } = optionsFor(url);
      expect([env, baseDir, defaults.services, schemas.size]).toEqual([{}, '/', [], 0]);
      const schema = new Uint8Array();
      await expect(openRegistrar({ ...options, schema, ttlMs: 1_000, endpoint: createEndpoint(1) })).rejects.toThrow(
        'cannot be registered with',
      );
    },
  );

  const GRPC = [
    'http://h:1',
    'etcd://h:1',
    'consul://h:1/x',
    'eureka://h:1',
    'nacos://h:1',
    'xds://h:1',
    'zookeeper://h:1',
  ];

  it.each(GRPC)('takes nothing for TLS that would go in the clear: %s', async (url) => {
    const opening = openSource({ ...optionsFor(url), credentials: { tls: { ca: 'x' } } });
    await expect(opening).rejects.toThrow(SpecError);
    await expect(opening).rejects.toThrow(/goes in the clear, .*: write (https|[a-z]+\+(https|tls)):\/\//);
  });

  it.each(GRPC)('has no secrets in its URL: %s', async (url) => {
    const opening = openSource(optionsFor(url.replace('h:1', 'me:sesame@h:1')));
    await expect(opening).rejects.toThrow(/^the URL of h:1 names a user: URLs are shown/);
  });

  it('tells what is wrong with its URL before anything is opened', async () => {
    await expect(openSource(optionsFor('dns:///10.0.0.1:80'))).rejects.toThrow(SpecError);
    await expect(openSource(optionsFor('env:NOT_SET'))).rejects.toThrow(SpecError);
    await expect(openSource(optionsFor('http://h:1/%zz'))).rejects.toThrow(SpecError);
  });
});

/** Files that a process has loaded which runs this. */
async function loadedBy(code: string): Promise<string[]> {
  const program = `
    import { registerHooks } from 'node:module';
    const urls = [];
    registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
    ${code}
    console.log(JSON.stringify(urls));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
  });
  return JSON.parse(stdout) as string[];
}

describe('drivers', () => {
  const table = readFileSync(join(SRC, 'systems.ts'), 'utf8');
  const drivers = [...table.matchAll(/import\('\.\/((?:sources|registrars)\/[a-z]+\.ts)'\)/g)].map(
    ([, file]) => file as string,
  );
  /** The registry of our own and lists are part of the room. */
  const ours = new Set(['sources/registry.ts', 'registrars/registry.ts', 'sources/static.ts']);
  const index = JSON.stringify(pathToFileURL(join(SRC, 'index.ts')).href);
  const loadedDrivers = (urls: readonly string[]): string[] =>
    drivers.filter((file) => !ours.has(file) && urls.includes(pathToFileURL(join(SRC, file)).href));
  const HEAVY = /node_modules\/(@kubernetes\/client-node|dns-packet)\//;
  const heavy = (urls: readonly string[]): string[] => [...new Set(urls.flatMap((url) => HEAVY.exec(url)?.[1] ?? []))];

  it('are not loaded by who does not use them', async () => {
    const urls = await loadedBy(`await import(${index});`);
    expect(urls.length).toBeGreaterThan(20);
    expect(drivers.length).toBeGreaterThanOrEqual(10);
    expect(loadedDrivers(urls)).toEqual([]);
    expect(heavy(urls)).toEqual([]);
  });

  it('are loaded one by one', async () => {
    const urls = await loadedBy(`
      const { openSource } = await import(${index});
      const clock = { nowMs: () => 0, wallMs: () => 0, random: () => 0, after: () => ({ cancel() {} }) };
      const defaults = { services: [], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' };
      const options = { credentials: {}, clock, defaults, env: {}, baseDir: '/', schemas: new Map() };
      const source = await openSource({ ...options, url: new URL('dns:///places.test:80') });
      await source.close();
    `);
    expect(loadedDrivers(urls)).toEqual(['sources/dns.ts']);
    expect(heavy(urls)).toEqual(['dns-packet']);
  });
});
