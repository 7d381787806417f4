import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { changeOf, hashOf, readApplications } from '../../src/peers/eureka/applications.ts';
import type { Recorded } from '../contract/recorder.ts';
import { has, Opened, until } from './follow.ts';
import { sendJson, startStub, type StubServer } from './stub-server.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

/** What a Eureka of ours says; instances by application. */
interface Said {
  readonly all: unknown;
  readonly changes: unknown;
  readonly instead: ((response: ServerResponse) => void) | undefined;
  /** Answers for one instance. */
  readonly one?: (response: ServerResponse) => void;
}

const instance = (id: string, overrides: object = {}): object => ({
  instanceId: id,
  hostName: `${id}.test`,
  ipAddr: '10.0.0.1',
  status: 'UP',
  port: { $: 80, '@enabled': 'true' },
  metadata: { '@class': 'java.util.Collections$EmptyMap' },
  lastUpdatedTimestamp: '1000',
  actionType: 'ADDED',
  ...overrides,
});
const applications = (instances: unknown, version: number, hash: string): object => ({
  applications: {
    versions__delta: String(version),
    apps__hashcode: hash,
    application: { name: 'WEB', instance: instances },
  },
});

interface Following {
  readonly stub: StubServer;
  readonly seen: Recorded;
  readonly say: (change: Partial<Said>) => void;
  /** What was asked, in short. */
  readonly looks: () => string[];
}

async function follow(said: Said, path = ''): Promise<Following> {
  let now = said;
  const stub = await startStub((request, response) => {
    if (now.instead !== undefined) now.instead(response);
    else if (request.url?.includes('/WEB/') === true) now.one?.(response);
    else sendJson(response, request.url?.endsWith('/delta') === true ? now.changes : now.all);
  });
  opened.add(stub);
  const seen = await opened.follow(`eureka://${stub.address}/eureka${path}?intervalMs=50`);
  return {
    stub,
    seen,
    say: (change) => (now = { ...now, ...change }),
    looks: () => stub.asked.map((line) => line.replace('GET /eureka/apps', 'all')),
  };
}

const [A, B, C] = [instance('a'), instance('b'), instance('c')];
const NONE = applications([], 1, '');
const errorOf = (seen: Recorded): string => seen.source.status().error ?? '';

/** Three times, so that one look began and ended meanwhile. */
async function looksAgain(looks: () => string[]): Promise<void> {
  const before = looks().length;
  await until('it looks again', () => looks().length > before + 6);
}

describe('what a Eureka answers', () => {
  it('is read in both of its forms, with one element or a list of them', async () => {
    const one = { ...instance('a'), port: { $: '8080', '@enabled': 'true' } };
    const { seen } = await follow({
      all: applications(one, 1, 'UP_1_'),
      changes: applications([], 1, 'UP_1_'),
      instead: undefined,
    });
    await has(seen, ['WEB@a']);
    expect(seen.endpoints()[0]).toMatchObject({ host: '10.0.0.1', port: 8080, labels: {}, incarnation: 1 });
    expect(seen.warnings).toEqual([]);
  });

  it('is asked for changes, and for all again when the hash does not fit', async () => {
    const { seen, say, looks } = await follow({
      all: applications([A], 1, 'UP_1_'),
      changes: applications([A], 5, 'UP_1_'),
      instead: undefined,
    });
    await has(seen, ['WEB@a']);
    await until('it looks again', () => looks().length > 4);
    expect(looks().slice(0, 4)).toEqual(['all/delta', 'all', 'all/delta', 'all/delta']);
    say({ changes: applications([B], 6, 'UP_2_') });
    await has(seen, ['WEB@a', 'WEB@b']);
    expect(looks().filter((look) => look === 'all')).toHaveLength(1);
    say({ changes: applications([], 7, 'UP_3_'), all: applications([A, B, C], 1, 'UP_3_') });
    await has(seen, ['WEB@a', 'WEB@b', 'WEB@c']);
    expect(looks().filter((look) => look === 'all')).toHaveLength(2);
  });

  it('counts twice before who is missing without a word is gone, and counts a word at once', async () => {
    const { seen, say } = await follow({
      all: applications([A, B, C], 1, 'UP_3_'),
      changes: applications([], 5, 'UP_3_'),
      instead: undefined,
    });
    await has(seen, ['WEB@a', 'WEB@b', 'WEB@c']);
    say({ changes: applications([], 6, 'UP_2_'), all: applications([A, B], 1, 'UP_2_') });
    await has(seen, ['WEB@a', 'WEB@b']);
    const gone = instance('b', { actionType: 'DELETED', lastUpdatedTimestamp: '2000' });
    say({ changes: applications([gone], 7, 'UP_1_') });
    await has(seen, ['WEB@a']);
    expect(seen.log.slice(3)).toEqual(['doubt WEB@c#1', 'remove WEB@c#1 not-in-source', 'remove WEB@b#1 deregistered']);
  });

  it('of a server that started anew removes nobody', async () => {
    const { seen, say, looks } = await follow({
      all: applications([A, B], 1, 'UP_2_'),
      changes: applications([], 50, 'UP_2_'),
      instead: undefined,
    });
    await has(seen, ['WEB@a', 'WEB@b']);
    say({ changes: NONE, all: applications([A], 1, 'UP_1_') });
    await until('it is doubted', () => seen.doubted.has('WEB@b#1'));
    say({ changes: applications([A], 2, 'UP_1_') });
    await looksAgain(looks);
    const lines = seen.log.length;
    say({ changes: applications([C], 3, 'UP_2_') });
    await until('others go on', () => seen.log.length > lines);
    expect([[...seen.doubted.keys()], seen.removals()]).toEqual([['WEB@b#1'], []]);
  });

  it('is settled by the instance itself where the list of all and the changes differ', async () => {
    let isThere = false;
    const all = { application: { name: 'WEB', instance: [A] } };
    const { seen, say, looks } = await follow(
      {
        all,
        changes: applications([A, B], 5, ''),
        instead: undefined,
        one: (response) =>
          isThere ? sendJson(response, { instance: { ...B, app: 'WEB' } }) : response.writeHead(404).end(),
      },
      '/web',
    );
    await looksAgain(looks);
    expect([[...seen.set.keys()], looks().includes('all/WEB/b')]).toEqual([['WEB@a#1'], true]);
    isThere = true;
    await has(seen, ['WEB@a', 'WEB@b']);
    isThere = false;
    await has(seen, ['WEB@a']);
    // Nor is somebody who came back ended by the older word of their end.
    const older = instance('a', { actionType: 'DELETED', lastUpdatedTimestamp: '999' });
    say({ changes: applications([older], 6, '') });
    await looksAgain(looks);
    expect(seen.removals()).toEqual(['remove WEB@b#1 not-in-source']);
  });

  it('may lack changes, as its configuration can have it', async () => {
    const stub = opened.add(
      await startStub((request, response) => {
        if (request.url?.endsWith('/delta') === true) response.writeHead(403).end();
        else sendJson(response, applications([A], 1, 'UP_1_'));
      }),
    );
    const seen = await opened.follow(`eureka://${stub.address}?intervalMs=50`);
    await has(seen, ['WEB@a']);
    await until('it looks again', () => stub.asked.length > 4);
    expect(seen.source.status().state).toBe('connected');
  });

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['a server error', (response) => response.writeHead(500).end('oops'), /\/eureka\/apps\/delta: 500 "oops"/],
    ['a rate limit', (response) => response.writeHead(429).end(), /429/],
    ['nothing at that path', (response) => response.writeHead(404).end(), /404/],
    ['no JSON', (response) => response.end('<xml/>'), /no JSON: "<xml\/>"/],
    ['no applications', (response) => response.end('{"status":"UP"}'), /without applications/],
    ['a list of something', (response) => response.end('[1]'), /no list of applications/],
  ])('%s ends the session with words, and removes nobody', async (_, instead, words) => {
    const { seen, say } = await follow({
      all: applications([A], 1, 'UP_1_'),
      changes: applications([], 5, 'UP_1_'),
      instead: undefined,
    });
    await has(seen, ['WEB@a']);
    say({ instead });
    await until('it says why', () => words.test(errorOf(seen)));
    expect(seen.source.status().state).toBe('stale');
    say({ instead: undefined });
    await until('it is connected', () => seen.source.status().state === 'connected');
    expect(seen.log).toEqual(['insert WEB@a#1']);
  });

  it('may hold garbage, which is named and stops nobody else', async () => {
    const bad = [
      null,
      7,
      instance('no port', { port: {} }),
      instance('host', { ipAddr: 'a\u0000b' }),
      { status: 'UP' },
    ];
    const { seen } = await follow({
      all: applications([A, ...bad], 1, ''),
      changes: applications([], 1, ''),
      instead: undefined,
    });
    await has(seen, ['WEB@a']);
    await until('all are named', () => seen.warnings.length === 3);
    expect(seen.warnings[0]).toMatch(/^Eureka: the record of "WEB@no:20port" cannot be read: it tells no port$/);
  });

  it.each([
    ['eureka://h/apps', /must end in \/eureka or \/eureka\/APP/],
    ['eureka://h/eureka/A/B', /must end in/],
    ['eureka://h/?intervalMs=1', /50 to 600000/],
    ['eureka://h/?host=dns', /must be ip or name/],
  ])('%s is refused with words', async (url, words) => {
    await expect(opened.follow(url)).rejects.toThrow(words);
  });

  it('takes no token', async () => {
    await expect(opened.follow('eureka://h', { credentials: { token: 'x' } })).rejects.toThrow(/give "username"/);
  });

  it('is found under the paths that it may have', async () => {
    const paths = ['', '/eureka', '/eureka/', '/eureka/v2', '/in/front/eureka/v2'];
    for (const path of paths) {
      const stub = opened.add(await startStub((_, response) => sendJson(response, NONE)));
      await opened.follow(`eureka://${stub.address}${path}?intervalMs=50`);
      await until('it is asked', () => stub.asked.length > 0);
      const base = path === '' || path === '/eureka/' ? '/eureka' : path;
      expect(stub.asked[0]).toBe(`GET ${base}/apps/delta`);
    }
  });
});

describe('an answer of Eureka', () => {
  it('has the hash that Eureka gives it', () => {
    const statuses = ['UP', 'DOWN', 'UP', 'OUT_OF_SERVICE'].map((status, number) => instance(`${number}`, { status }));
    const { instances } = readApplications(applications(statuses, 1, ''));
    expect([hashOf(instances), hashOf([])]).toEqual(['DOWN_1_OUT_OF_SERVICE_1_UP_2_', '']);
  });

  it('tells by its times whether who was deleted said so', () => {
    const deleted = (evictionTimestamp: number) => {
      const leaseInfo = { durationInSecs: 30, lastRenewalTimestamp: 100_000, evictionTimestamp };
      const [one] = readApplications(
        applications(instance('a', { actionType: 'DELETED', leaseInfo }), 1, ''),
      ).instances;
      return changeOf(one as NonNullable<typeof one>);
    };
    expect([deleted(129_999), deleted(130_000)]).toEqual(['deregistered', 'lease-expired']);
  });
});
