import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@bascule/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SettingsRefused } from '../../src/config/error.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings-types.ts';
import { createDiscovery, type Discovery } from '../../src/control/discovery.ts';
import type { LogEvent } from '../../src/log.ts';

let folder: string;
let discovery: Discovery | undefined;
let events: LogEvent[];
/** Addresses in each picture that was due. */
let pictures: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-discovery-'));
  events = [];
  pictures = [];
});

afterEach(async () => {
  await discovery?.close();
  discovery = undefined;
  await rm(folder, { recursive: true });
});

function settingsOf(text: string): Settings {
  const parsed = parseConfig(text, join(folder, 'bascule.yaml'));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return parsed.settings;
}

async function start(text: string): Promise<Discovery> {
  const made = createDiscovery({
    settings: settingsOf(text),
    clock: systemClock,
    token: 'own',
    env: { BACKENDS: '127.0.0.1:1' },
    log: (event) => void events.push(event),
    embedded: undefined,
    loads: async () => [],
    onChange: () => void pictures.push(addressesOf(made)),
  });
  discovery = made;
  await made.start();
  await made.firstWord();
  return made;
}

function addressesOf(from: Discovery): string {
  const all = from.endpoints().map(({ host, port }) => `${host}:${port}`);
  return all.toSorted((a, b) => a.localeCompare(b)).join(' ');
}

const of = (...sources: string[]): string =>
  `discovery:\n  sources:\n${sources.map((source) => `    - {${source}, services: [a.B]}\n`).join('')}`;

describe('discovery', () => {
  it('knows what its sources know, and what stands in the configuration, once they have answered', async () => {
    const endpoints = '  endpoints: [{address: "c:3", services: [a.B]}]\n';
    const all = await start(`${of('url: "static:a:1"', 'url: "static:b:2", rank: 1')}${endpoints}`);
    expect(addressesOf(all)).toBe('a:1 b:2 c:3');
    expect(all.sources().map(({ name, rank }) => [name, rank])).toEqual(
      expect.arrayContaining([
        ['static:a:1', 0],
        ['static:b:2', 1],
        ['static', 0],
      ]),
    );
    expect(all.staleSeconds()).toBe(0);
    expect(all.endpoints().map(({ host, priority }) => [host, priority])).toEqual(
      expect.arrayContaining([
        ['a', 0],
        ['b', 65_536],
        ['c', 0],
      ]),
    );
  });

  it('reads the variables that it was given', async () => {
    expect(addressesOf(await start(of('url: "env:BACKENDS"')))).toBe('127.0.0.1:1');
  });

  it('follows a file that is named from the folder of the configuration', async () => {
    const file = join(folder, 'lists.yaml');
    const listOf = (...addresses: string[]): string =>
      JSON.stringify({ endpoints: addresses.map((address) => ({ address, services: ['a.B'] })) });
    await writeFile(file, listOf('a:1', 'b:2'));
    const running = await start(of('url: "file:lists.yaml"'));
    expect(addressesOf(running)).toBe('a:1 b:2');
    await writeFile(`${file}.new`, listOf('b:2', 'c:3', 'd:4'));
    await rename(`${file}.new`, file);
    await expect.poll(() => addressesOf(running)).toBe('b:2 c:3 d:4');
  });

  it('lets go of who was taken out of a file while nobody looked', async () => {
    const file = join(folder, 'lists.yaml');
    const listOf = (...addresses: string[]): string =>
      JSON.stringify({ endpoints: addresses.map((address) => ({ address, services: ['a.B'] })) });
    const settings = of('url: "file:lists.yaml"');
    await writeFile(file, listOf('a:1', 'b:2', 'c:3'));
    const before = await start(settings);
    expect(addressesOf(before)).toBe('a:1 b:2 c:3');
    await before.close();
    await writeFile(file, listOf('a:1'));
    expect(addressesOf(await start(settings))).toBe('a:1');
    // A file that is gone says nothing of anybody.
    await discovery?.close();
    await rm(file);
    expect(addressesOf(await start(settings))).toBe('a:1');
  });

  it('makes no picture without endpoints of which one source takes over from another', async () => {
    const running = await start(of('url: "static:a:1", name: old'));
    const now = (): string[] => running.sources().map(({ name, rank }) => `${name} ${rank}`);
    pictures = [];
    await running.update(settingsOf(of('url: "static:a:1", name: new')));
    expect(now()).toEqual(['new 0']);
    await running.update(settingsOf(of('url: "static:a:1", name: new, rank: 2')));
    expect(now()).toEqual(['new 2']);
    // Other endpoints under the same name are other endpoints.
    await running.update(settingsOf(of('url: "static:b:2", name: new, rank: 2')));
    expect(now()).toEqual(['new 2']);
    expect(new Set(pictures)).toEqual(new Set(['a:1', 'b:2']));
    expect(pictures.indexOf('b:2')).toBe(pictures.lastIndexOf('a:1') + 1);
    expect(running.removals().map(({ endpoint, cause }) => `${endpoint.host} ${cause}`)).toContain('a source-gone');
  });

  it('keeps what checks found of endpoints whose source is asked in another way', async () => {
    const check = '  healthCheck: {tcp: {}, interval: 3600s, unhealthyThreshold: 1}\n';
    const running = await start(of('url: "static:127.0.0.1:1", name: one') + check);
    const [key = ''] = running.members().map((member) => member.key);
    const healthOf = (): string | undefined => running.member(key)?.endpoint.health;
    await expect.poll(healthOf).toBe('failing');
    await running.update(settingsOf(of('url: "static:127.0.0.1:1", name: one, rank: 3') + check));
    expect([healthOf(), running.member(key)?.endpoint.priority]).toEqual(['failing', 3 * 65_536]);
    expect(running.removals()).toEqual([]);
  });

  it.each(['new', 'old'])('keeps a source until the one in its place (%s) has answered', async (name) => {
    const running = await start(of('url: "static:a:1", name: old'));
    const mistyped = of(`url: "http://127.0.0.1:1", name: ${name}`);
    await running.update(settingsOf(mistyped));
    await running.update(settingsOf(`${mistyped}  healthCheck: {interval: 3600s}\n`));
    expect(addressesOf(running)).toBe('a:1');
    expect(running.sources().map((source) => `${source.name} ${source.status.state}`)).toEqual([
      'old connected',
      `${name} stale`,
    ]);
    expect(events.at(-1)?.message).toBe(`source old is not configured any more, and stays until ${name} has answered`);
    await running.update(settingsOf(of(`url: "static:b:2", name: ${name}`)));
    expect(addressesOf(running)).toBe('b:2');
    expect(running.sources().map((source) => source.name)).toEqual([name]);
    expect(running.removals().map(({ endpoint, cause }) => `${endpoint.host} ${cause}`)).toEqual(['a source-gone']);
  });

  it('keeps a source though something is known from before of the one in its place', async () => {
    const file = join(folder, 'lists.yaml');
    await writeFile(file, 'endpoints: [{address: "b:2", services: [a.B]}]');
    await start(of('url: "file:lists.yaml", name: one'));
    await discovery?.close();
    await rm(file);
    const running = await start(of('url: "static:a:1", name: one'));
    await running.update(settingsOf(of('url: "file:lists.yaml", name: one')));
    expect(addressesOf(running)).toBe('a:1 b:2');
    await writeFile(file, 'endpoints: [{address: "b:2", services: [a.B]}]');
    await expect.poll(() => addressesOf(running)).toBe('b:2');
  });

  it('lets a source go at once when nobody takes its place', async () => {
    const running = await start(of('url: "static:a:1", name: one', 'url: "static:b:2", name: two'));
    await running.update(settingsOf(of('url: "static:b:2", name: two')));
    expect(addressesOf(running)).toBe('b:2');
  });

  it('leaves what has not changed alone', async () => {
    const running = await start(of('url: "static:a:1"'));
    const before = [running.members(), running.sources()];
    await running.update(settingsOf(`${of('url: "static:a:1"')}  healthCheck: {interval: 3600s}\n`));
    expect([running.members(), running.sources()]).toEqual(before);
  });

  it('takes nothing of settings of which one source cannot be', async () => {
    const running = await start(of('url: "static:a:1"'));
    const refused = running.update(settingsOf(of('url: "static:b:2"', 'url: "smoke://signals"')));
    await expect(refused).rejects.toThrow(SettingsRefused);
    await expect(refused).rejects.toMatchObject({
      problem: {
        path: ['discovery', 'sources', 1, 'url'],
        message: expect.stringMatching(/^"smoke:" is no scheme of a discovery system; there are http, /),
      },
    });
    expect(addressesOf(running)).toBe('a:1');
    expect(running.sources().map(({ name }) => name)).toEqual(['static:a:1']);
  });

  it('removes what does not stand in the configuration any more at once, the last one too', async () => {
    const endpoint = (address: string): string =>
      `discovery: {embeddedRegistry: false, endpoints: [{address: "${address}", services: [a.B]}]}`;
    const running = await start(endpoint('a:1'));
    await running.update(settingsOf(endpoint('b:2')));
    expect(addressesOf(running)).toBe('b:2');
    await running.update(settingsOf('discovery: {embeddedRegistry: false}'));
    expect(addressesOf(running)).toBe('');
    expect(running.removals().map(({ cause }) => cause)).toEqual(['retired', 'retired']);
  });

  it('goes on without a source that cannot be reached, and says so once', async () => {
    const dead = of('url: "http://127.0.0.1:1", name: registry-1');
    const nothing = await start(dead);
    expect(addressesOf(nothing)).toBe('');
    const said = (): string[] => events.map(({ message }) => message).filter((text) => text.includes('not answered'));
    expect(said()).toEqual(['source registry-1 has not answered yet, and nothing is known of it from before']);
    expect(nothing.staleSeconds()).toBeGreaterThan(0);
    expect(nothing.sources()).toMatchObject([{ status: { state: 'stale', error: expect.stringMatching(/./) } }]);
  });

  it('tells whoever listens of news, until they have heard enough', async () => {
    const running = await start(of('url: "static:a:1"'));
    const heard = vi.fn();
    const end = running.onNews(heard);
    await running.update(settingsOf(of('url: "static:b:2"')));
    expect(heard).toHaveBeenCalled();
    end();
    heard.mockClear();
    await running.update(settingsOf(of('url: "static:c:3"')));
    expect(heard).not.toHaveBeenCalled();
  });
});
