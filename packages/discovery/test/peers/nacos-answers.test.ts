import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { createCountingClock } from '../contract/counting-clock.ts';
import { has, Opened, until } from './follow.ts';
import { sendJson, startStub, type StubServer } from './stub-server.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

type Instead = (response: ServerResponse, request: IncomingMessage) => void;

const host = (port: unknown, overrides: object = {}): object => ({
  ip: '10.0.0.1',
  port,
  weight: 1,
  healthy: true,
  enabled: true,
  ...overrides,
});
const sendHosts = (response: ServerResponse, hosts: unknown): void =>
  sendJson(response, { code: 0, message: 'success', data: hosts });
const KEY = (port: number): string => `web@10.0.0.1:3a${port}`;

async function start(
  first: Instead,
): Promise<{ readonly stub: StubServer; readonly url: string; readonly say: (next: Instead) => void }> {
  let answer = first;
  const stub = opened.add(await startStub((request, response) => answer(response, request)));
  return { stub, url: `nacos://${stub.address}/web?intervalMs=50`, say: (next) => (answer = next) };
}

describe('what a Nacos answers', () => {
  it.each<[string, Instead, RegExp]>([
    ['a server error', (response) => response.writeHead(500).end('oops'), /: 500 "oops"/],
    ['a rate limit', (response) => response.writeHead(429).end(), /: 429/],
    ['no JSON', (response) => response.end('<html>'), /no JSON: "<html>"/],
    [
      'an error with status 200',
      (response) => sendJson(response, { code: 30000, message: 'server error' }),
      /30000.*server error/,
    ],
    ['no code', (response) => sendJson(response, { hosts: [] }), /Nacos answers GET/],
    ['no list', (response) => sendHosts(response, { hosts: [] }), /no list of web/],
    ['nothing', (response) => sendJson(response, null), /Nacos answers GET .*null/],
  ])('%s ends the session with words, and removes nobody', async (_, instead, words) => {
    const { url, say } = await start((response) => sendHosts(response, [host(1), host(2)]));
    const seen = await opened.follow(url);
    await has(seen, [KEY(1), KEY(2)]);
    say(instead);
    await until('it says why', () => words.test(seen.source.status().error ?? ''));
    expect(seen.source.status().state).toBe('stale');
    say((response) => sendHosts(response, [host(1)]));
    await until('who is missing behind the loss is doubted', () => seen.doubted.has(`${KEY(2)}#1`));
    expect([seen.removals(), seen.source.status().state]).toEqual([[], 'connected']);
  });

  it('counts three times before most are gone', async () => {
    const { stub, url, say } = await start((response) => sendHosts(response, [host(1), host(2), host(3)]));
    const seen = await opened.follow(url);
    await until('all are seen', () => seen.set.size === 3);
    const asked = stub.asked.length;
    say((response) => sendHosts(response, [host(1)]));
    await has(seen, [KEY(1)]);
    expect(stub.asked.length - asked).toBeGreaterThanOrEqual(3);
  });

  it('may hold garbage, which is named and stops nobody else', async () => {
    const bad = [
      null,
      'text',
      host('x'),
      host(0),
      host(4, { ip: 'a b' }),
      host(5, { metadata: { 'bascule-weight': '-1' } }),
    ];
    const { url } = await start((response) =>
      sendHosts(response, [host(1, { weight: 0.2 }), host(2, { weight: 1e12 }), ...bad]),
    );
    const seen = await opened.follow(url);
    await has(seen, [KEY(1), KEY(2)]);
    expect(seen.endpoints().map(({ weight }) => weight)).toEqual([1, 65_535]);
    expect(seen.warnings).toHaveLength(5);
    expect(seen.warnings).toContain(
      `Nacos: the record of "${KEY(5)}" cannot be read: bascule-weight must be a whole number from 0 to 65535 (got "-1")`,
    );
  });

  it('is asked for every service by itself', async () => {
    const { stub, say } = await start((response) => sendHosts(response, []));
    say((response, request) => sendHosts(response, [host(request.url?.includes('serviceName=one') === true ? 1 : 2)]));
    const seen = await opened.follow(`nacos://${stub.address}/one,two?namespace=n&group=g&intervalMs=50`);
    await has(seen, ['one@10.0.0.1:3a1', 'two@10.0.0.1:3a2']);
    expect(stub.asked.find((line) => line.includes('one'))).toBe(
      'GET /nacos/v3/client/ns/instance/list?namespaceId=n&groupName=g&serviceName=one&clusterName=DEFAULT&healthyOnly=false',
    );
  });

  it.each([
    ['nacos://h', /names no service/],
    ['nacos://h/a/b', /service names/],
    ['nacos://h/a?tenant=x', /"tenant" is none of namespace/],
  ])('%s is refused with words', async (url, words) => {
    await expect(opened.follow(url)).rejects.toThrow(words);
  });

  it('takes no half of a user', async () => {
    await expect(opened.follow('nacos://h/a', { credentials: { username: 'me' } })).rejects.toThrow(
      /"username" with "password"/,
    );
  });
});

describe('logging in to Nacos', () => {
  it('happens once for many looks, again before the token ends, and again when it is refused', async () => {
    let logins = 0;
    const bodies: string[] = [];
    const { url, say, stub } = await start((response, request) => {
      if (request.url?.includes('login') === true) {
        request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()));
        return sendJson(response, { accessToken: `t${++logins}`, tokenTtl: 100 });
      }
      if (request.headers.authorization === `Bearer t${logins}`) sendHosts(response, [host(1)]);
      else response.writeHead(403).end();
    });
    const clock = createCountingClock(50);
    const credentials = { username: 'me', password: 'a&b' };
    const seen = await opened.follow(url.replace('=50', '=5000'), { credentials, clock });
    await has(seen, [KEY(1)]);
    await until('it looks again', () => stub.asked.length > 6);
    expect([logins, bodies]).toEqual([1, ['username=me&password=a%26b']]);
    await until('80 s of its life are over', () => logins === 2);
    expect(seen.source.status().state).toBe('connected');
    // As behind a restart with another key.
    logins = 10;
    await until('it is refused and logs in again', () => logins === 11 && seen.source.status().state === 'connected');
    say((response, request) => {
      if (request.url?.includes('login') === true) sendJson(response, {});
      else response.writeHead(401).end();
    });
    await until('it says why', () => seen.source.status().error === 'Nacos answers a login without a token');
    expect(seen.removals()).toEqual([]);
  });

  it('is not done by who has a token', async () => {
    const { stub, url } = await start((response, request) => {
      if (request.headers.authorization === 'Bearer mine') sendHosts(response, [host(1)]);
      else response.writeHead(403).end();
    });
    await has(await opened.follow(url, { credentials: { token: 'mine' } }), [KEY(1)]);
    expect(stub.asked.filter((line) => line.includes('login'))).toEqual([]);
  });
});
