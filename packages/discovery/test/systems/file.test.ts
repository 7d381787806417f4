import { appendFile, chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock, type Clock, type Endpoint } from '@bascule/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseSystemUrl } from '../../src/peers/hosts.ts';
import { createSource } from '../../src/sources/create-source.ts';
import { openFileSource } from '../../src/sources/file.ts';
import { createCountingClock } from '../contract/counting-clock.ts';
import { createEndpoint, createFullEndpoint, SERVICE } from '../contract/endpoints.ts';
import { record, type Recorded } from '../contract/recorder.ts';
import { describeSystemContract } from '../contract/system-contract.ts';

const NO_LEASE = 'nobody renews a line of a file';
const NO_SERVER = 'there is no server';

describeSystemContract(
  'file',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bascule-file-'));
    return {
      async scope(name) {
        const list = new Map<string, unknown>();
        const save = (): Promise<void> => replace(join(folder, name), [...list.values()]);
        await save();
        return {
          access: () => ({ url: `file:${name}`, baseDir: folder }),
          writer: {
            write(endpoint) {
              list.set(endpoint.instanceId, toEntry(endpoint));
              return save();
            },
            erase({ instanceId }) {
              list.delete(instanceId);
              return save();
            },
          },
          async fill(endpoints) {
            for (const endpoint of endpoints) list.set(endpoint.instanceId, toEntry(endpoint));
            await save();
            return {
              erase(leaving) {
                for (const { instanceId } of leaving) list.delete(instanceId);
                return save();
              },
            };
          },
          async writeGarbage() {
            list.set('garbage', { address: '127.0.0.1:80', wait: -1 });
            await save();
            return `endpoints[${[...list.keys()].indexOf('garbage')}].wait`;
          },
          async spoil({ instanceId }) {
            list.set(instanceId, { address: '127.0.0.1:99999' });
            await save();
            return 'endpoints[0].address';
          },
        };
      },
      close: () => rm(folder, { recursive: true }),
    };
  },
  {
    notApplicable: {
      'whoever stops renewing goes': NO_LEASE,
      'whoever is killed goes': NO_LEASE,
      'an older incarnation does not win': 'a file lists an instance once, and its writer decides as which',
      'a restarted server removes nothing': NO_SERVER,
      'a server restarted empty removes nothing': NO_SERVER,
      'a dead server removes nothing': NO_SERVER,
      'a paused server removes nothing': NO_SERVER,
      'a cut connection is caught up': NO_SERVER,
      'a stalled connection is noticed': NO_SERVER,
      'wrong credentials are told in words': 'a file asks for none',
    },
    deregisteredAs: 'not-in-source',
  },
);

function toEntry({ host, port, moduleVersion, health = 'healthy', ...rest }: Endpoint): Record<string, unknown> {
  return { address: `${host}:${port}`, version: moduleVersion, health, ...rest };
}

/** As a careful writer does: whole, then in place. */
async function replace(file: string, entries: readonly unknown[]): Promise<void> {
  await writeFile(`${file}.new`, stringify({ endpoints: entries }));
  await rename(`${file}.new`, file);
}

const [a, b, c] = [createEndpoint(1), createEndpoint(2), createEndpoint(3)] as const;
const listOf = (...endpoints: Endpoint[]): string => stringify({ endpoints: endpoints.map(toEntry) });

let folder = '';
let file = '';
const opened: (() => Promise<void>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-file-'));
  file = join(folder, 'endpoints.yaml');
});
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
  await rm(folder, { recursive: true });
});

function follow(options: { url?: string; baseDir?: string; clock?: Clock; services?: string[] } = {}): Recorded {
  const { url = `file://${file}`, clock = createCountingClock(4), services = [SERVICE] } = options;
  const driver = openFileSource({
    url: parseSystemUrl(url),
    baseDir: options.baseDir ?? folder,
    clock,
    credentials: {},
    env: {},
    schemas: new Map(),
    defaults: { services, protocol: 'grpc', codecs: ['proto'], schemaDigest: '' },
    dial: () => {
      throw new Error('nobody is dialled');
    },
  });
  const source = createSource({ driver, clock });
  opened.push(() => source.close());
  return record(source);
}

const sees = (seen: Recorded, ...endpoints: Endpoint[]) =>
  expect.poll(() => seen.told(), { interval: 10 }).toEqual(endpoints);
const staleWith = (seen: Recorded, words: string) =>
  expect.poll(() => seen.source.status().error ?? '', { interval: 10 }).toContain(words);

describe('what a file may say', () => {
  it.each([
    ['YAML', listOf(createFullEndpoint(1))],
    ['JSON', JSON.stringify({ endpoints: [toEntry(createFullEndpoint(1))] })],
    ['a list alone', stringify([toEntry(createFullEndpoint(1))])],
  ])('is every field of an endpoint, as %s', async (_, text) => {
    await writeFile(file, text);
    await sees(follow(), createFullEndpoint(1));
  });

  it('is an address alone', async () => {
    await writeFile(file, '- 10.0.0.1:80\n- address: "[::1]:81"\n  codecs: [json]\n- places.example:82\n');
    const seen = follow({ services: [] });
    await expect.poll(() => [...seen.set.keys()]).toEqual(['10.0.0.1:80#1', '0::1:81#1', 'places.example:82#1']);
    expect(seen.set.get('0::1:81#1')).toEqual({
      instanceId: '0::1:81',
      incarnation: 1,
      host: '::1',
      port: 81,
      protocol: 'grpc',
      codecs: ['proto', 'json'],
      weight: 1,
      priority: 0,
      zone: '',
      services: [],
      schemaDigest: '',
      moduleVersion: '',
      labels: {},
    });
    expect(seen.warnings).toEqual([]);
  });

  it('is an address that speaks TLS', async () => {
    await writeFile(file, '- https://10.0.0.1:443\n- address: "https://[::1]:81"\n- 10.0.0.2:80\n');
    const seen = follow();
    await expect
      .poll(() => [...seen.set.values()].map(({ host, tls }) => [host, tls]))
      .toEqual([
        ['10.0.0.1', true],
        ['::1', true],
        ['10.0.0.2', undefined],
      ]);
  });

  it('may use anchors', async () => {
    await writeFile(file, '- {address: "h:1", labels: &l {tier: gold}}\n- {address: "h:2", labels: *l}\n');
    const seen = follow();
    await expect.poll(() => seen.told().map(({ labels }) => labels['tier'])).toEqual(['gold', 'gold']);
  });
});

describe('an entry that is wrong', () => {
  it.each([
    ['- h:1\n- h:0\n', '2:3 [1]: must be host:port'],
    ['- h:1\n- {address: h}\n', '2:13 [1].address: must be host:port'],
    ['- h:1\n- {weight: 1}\n', '2:3 [1]: has no "address"'],
    ['- h:1\n- 7\n', '2:3 [1]: must be "host:port"'],
    ['- h:1\n- null\n', '2:3 [1]: must be "host:port"'],
    ['- h:1\n- h:1\n', '2:3 [1]: is the same instance as [0]'],
    ['endpoints:\n  - h:1\n  - address: h:2\n    wieght: 1\n', '4:13 endpoints[1].wieght: means nothing here'],
    ['- h:1\n- {address: "h:2", weight: -1}\n', '[1].weight: must be a whole number from 0 to 65535'],
    ['- h:1\n- {address: "h:2", weight: 1.5}\n', '[1].weight: must be a whole number'],
    ['- h:1\n- {address: "h:2", weight: "1"}\n', '[1].weight: must be a whole number'],
    ['- h:1\n- {address: "h:2", weight: }\n', '[1].weight: must be a whole number'],
    ['- h:1\n- {address: "h:2", services: x}\n', '[1].services: must be a list'],
    ['- h:1\n- {address: "h:2", services: [x, "a b"]}\n', '[1].services: must be fully qualified'],
    ['- h:1\n- {address: "h:2", codecs: [xml]}\n', '[1].codecs[0]: must be one of proto, json'],
    ['- h:1\n- {address: "h:2", protocol: soap}\n', '[1].protocol: must be one of grpc,'],
    ['- h:1\n- {address: "h:2", health: ill}\n', '[1].health: must be one of healthy'],
    ['- h:1\n- {address: "h:2", labels: [x]}\n', '[1].labels: must be a map'],
    ['- h:1\n- {address: "h:2", labels: {x: 1}}\n', '[1].labels.x: must be a text'],
    ['- h:1\n- {address: "h:2", labels: {__proto__: x}}\n', '[1].labels: have a key'],
    ['- h:1\n- {address: "h:2", instanceId: "../x"}\n', '[1].instanceId: must be 1 to 255 of'],
    ['- h:1\n- {address: "h:2", instanceId: __proto__}\n', '[1].instanceId: must be'],
    ['- h:1\n- {address: "h:2", zone: "a\\u202eb"}\n', '[1].zone: must be'],
    ['- h:1\n- {address: "h:2", version: "a\\nb"}\n', '[1].version: must be'],
    ['- h:1\n- {address: "h:2", schemaDigest: md5}\n', '[1].schemaDigest: must be'],
    ['- h:1\n- {address: "h:2", incarnation: 1e300}\n', '[1].incarnation: must be'],
  ])('stops nobody else, and is named: %j', async (text, words) => {
    await writeFile(file, text);
    const seen = follow();
    await expect.poll(() => [...seen.set.keys()]).toEqual(['h:1#1']);
    expect(seen.warnings).toHaveLength(1);
    expect(seen.warnings[0]).toContain(`${file}:`);
    expect(seen.warnings[0]).toContain(words);
    expect(seen.source.status().state).toBe('connected');
  });
});

describe('a file that is no list', () => {
  it.each<[string, string]>([
    ['1:1: is empty: write "endpoints: []"', ''],
    ['is empty', '\n# nothing\n'],
    [' endpoints: must be a list', 'endpoints:\n'],
    ['1:1: must be a list of endpoints', 'hello\n'],
    ['1:11 endpoint: means nothing here', 'endpoint: []\n'],
    ['endpoints.yaml:2:1: ', 'endpoints: [a:1\n'],
    ['endpoints.yaml:', '- h:1\n- "h:2\n'],
    ['2:1: Map keys must be unique', 'a: 1\na: 2\n'],
    ['is nested too deeply', '['.repeat(20_000)],
    ['alias count', '- &a [x,x,x]\n- &b [*a,*a,*a]\n- &c [*b,*b,*b]\n- &d [*c,*c,*c]\n- &e [*d,*d,*d]\n- [*e,*e,*e]'],
    ['endpoints.yaml', '\u0000\u0001\u0002'],
  ])('is stale with place and words, and keeps who was known: %s', async (words, text) => {
    await writeFile(file, listOf(a, b));
    const seen = follow();
    await sees(seen, a, b);
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
    await staleWith(seen, words);
    expect(seen.source.status().state).toBe('stale');
    expect([seen.endpoints(), seen.removals(), [...seen.doubted]]).toEqual([[a, b], [], []]);
    await replace(file, [toEntry(a), toEntry(b), toEntry(c)]);
    await sees(seen, a, b, c);
    expect(seen.source.status().state).toBe('connected');
    expect(seen.broken).toEqual([]);
  });

  it.each([
    ['bytes that are no UTF-8', () => writeFile(file, new Uint8Array([0x2d, 0x20, 0xff, 0xfe])), 'is not UTF-8'],
    ['a folder', () => unlink(file).then(() => mkdir(file)), 'is not a file'],
    ['a device', () => unlink(file).then(() => symlink('/dev/zero', file)), 'is not a file'],
    ['a link to nowhere', () => unlink(file).then(() => symlink('/nowhere/at/all', file)), 'does not exist'],
    ['a link to itself', () => unlink(file).then(() => symlink(file, file)), 'ELOOP'],
    ['17 MiB', () => writeFile(file, new Uint8Array(17 * 1024 * 1024)), 'is larger than 16777216 bytes'],
    ['10,001 entries', () => writeFile(file, '- h:1\n'.repeat(10_001)), 'more than 10000'],
  ])('is stale when it is %s', async (_, spoil, words) => {
    await writeFile(file, listOf(a));
    const seen = follow();
    await sees(seen, a);
    await spoil();
    await staleWith(seen, words);
    expect([seen.endpoints(), seen.removals()]).toEqual([[a], []]);
  });

  it.skipIf(process.getuid?.() === 0)('is stale when nobody may read it', async () => {
    await writeFile(file, listOf(a));
    const seen = follow();
    await sees(seen, a);
    await chmod(file, 0);
    await staleWith(seen, 'may not be read');
    await chmod(file, 0o600);
    await expect.poll(() => seen.source.status().state).toBe('connected');
  });
});

describe('a change', () => {
  it('of a sound list removes who is missing, all of them too', async () => {
    await writeFile(file, listOf(a, b, c));
    const seen = follow();
    await sees(seen, a, b, c);
    await replace(file, [toEntry(c)]);
    await sees(seen, c);
    await replace(file, []);
    await sees(seen);
    expect(seen.removals()).toEqual([a, b, c].map(({ instanceId }) => `remove ${instanceId}#7 not-in-source`));
  });

  it('that is written in two steps is read once, when it is whole', async () => {
    await writeFile(file, listOf(a, b, c));
    const waits: number[] = [];
    const clock = createVirtualClock();
    const watched: Clock = {
      ...clock,
      after(delayMs, fn) {
        waits.push(delayMs);
        return clock.after(delayMs, fn);
      },
    };
    const seen = follow({ clock: watched });
    await sees(seen, a, b, c);
    const settles = (times: number) => expect.poll(() => waits.filter((ms) => ms === 1_000).length).toBe(times);
    const text = listOf(a, b, { ...c, weight: 9 });
    const half = text.indexOf('  - address', text.indexOf('  - address') + 1);
    await truncate(file, 0);
    await appendFile(file, text.slice(0, half));
    await settles(1);
    await appendFile(file, text.slice(half));
    clock.advance(1_000);
    await settles(2);
    expect(seen.log).toHaveLength(3);
    clock.advance(1_000);
    await sees(seen, a, b, { ...c, weight: 9 });
    expect(seen.removals()).toEqual([]);
    expect(seen.statuses.filter(({ state }) => state === 'stale')).toEqual([]);
  });

  it('by a swap of links, as Kubernetes mounts a ConfigMap, is seen', async () => {
    const put = async (name: string, ...endpoints: Endpoint[]): Promise<void> => {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'endpoints.yaml'), listOf(...endpoints));
      await symlink(name, join(folder, '..data_tmp'));
      await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    await put('..2026_1', a);
    await symlink(join('..data', 'endpoints.yaml'), file);
    const seen = follow();
    await sees(seen, a);
    await put('..2026_2', a, b);
    await rm(join(folder, '..2026_1'), { recursive: true });
    await sees(seen, a, b);
    expect(seen.statuses.filter(({ state }) => state === 'stale')).toEqual([]);
  });

  it('of the file behind a link is seen', async () => {
    const behind = await mkdtemp(join(tmpdir(), 'bascule-file-'));
    opened.push(() => rm(behind, { recursive: true }));
    await writeFile(join(behind, 'x'), listOf(a));
    await symlink(join(behind, 'x'), file);
    const seen = follow();
    await sees(seen, a);
    await replace(join(behind, 'x'), [toEntry(b)]);
    await sees(seen, b);
  });

  it('that no event tells of is seen by looking now and then', async () => {
    // Of a chain of links the middle one is in a folder that nobody watches.
    for (const name of ['middle', 'one', 'two']) await mkdir(join(folder, name));
    await writeFile(join(folder, 'one', 'x'), listOf(a));
    await writeFile(join(folder, 'two', 'x'), listOf(b));
    await symlink(join(folder, 'one', 'x'), join(folder, 'middle', 'x'));
    await symlink(join(folder, 'middle', 'x'), file);
    const seen = follow();
    await sees(seen, a);
    await symlink(join(folder, 'two', 'x'), join(folder, 'middle', 'y'));
    await rename(join(folder, 'middle', 'y'), join(folder, 'middle', 'x'));
    await sees(seen, b);
  });

  it('by an editor that renames the old file away is seen, and its other files are not', async () => {
    await writeFile(file, listOf(a));
    const seen = follow();
    await sees(seen, a);
    await writeFile(join(folder, '.endpoints.yaml.swp'), 'garbage: [');
    await writeFile(join(folder, '4913'), '');
    await unlink(join(folder, '4913'));
    await rename(file, `${file}~`);
    await writeFile(file, listOf(a, b));
    await unlink(`${file}~`);
    await sees(seen, a, b);
    expect(seen.statuses.filter(({ state }) => state === 'stale')).toEqual([]);
  });
});

describe('a file that is missing', () => {
  it('is waited for', async () => {
    const seen = follow();
    await staleWith(seen, `${file} does not exist`);
    await writeFile(file, listOf(a));
    await sees(seen, a);
  });

  it('in a folder that is missing is waited for', async () => {
    file = join(folder, 'sub', 'endpoints.yaml');
    const seen = follow();
    await staleWith(seen, 'does not exist');
    await mkdir(join(folder, 'sub'));
    await writeFile(file, listOf(a));
    await sees(seen, a);
  });

  it('when it was deleted removes nobody; when it is there again, it is the truth', async () => {
    await writeFile(file, listOf(a, b));
    const seen = follow();
    await sees(seen, a, b);
    await unlink(file);
    await staleWith(seen, 'does not exist');
    expect([seen.endpoints(), seen.removals(), seen.doubted.size]).toEqual([[a, b], [], 0]);
    await writeFile(file, listOf(b));
    await sees(seen, b);
    expect(seen.source.status().state).toBe('connected');
  });
});

describe('the URL of a file', () => {
  it.each(['file:endpoints.yaml', 'file:./endpoints.yaml', 'file://./endpoints.yaml', 'file:%65ndpoints.yaml'])(
    'may be relative to the configuration: %s',
    async (url) => {
      await writeFile(file, listOf(a));
      await sees(follow({ url }), a);
    },
  );

  it('may lead upwards', async () => {
    await writeFile(file, listOf(a));
    const name = folder.slice(folder.lastIndexOf('/') + 1);
    await sees(follow({ url: `file:../${name}/endpoints.yaml` }), a);
    await mkdir(join(folder, 'x', 'y'), { recursive: true });
    await sees(follow({ url: 'file:./../../endpoints.yaml', baseDir: join(folder, 'x', 'y') }), a);
  });

  it.each([
    ['file://host/a.yaml', 'names a host'],
    ['file:///a.yaml?x=1', 'more than a file'],
    ['file:///a.yaml#x', 'more than a file'],
    ['file:///folder/', 'is a folder'],
    ['file:///a%2Fb', 'is not the name of a file'],
    ['file:./%zz', 'is not the name of a file'],
  ])('is refused in words: %s', (url, words) => {
    expect(() => follow({ url })).toThrow(words);
  });
});
