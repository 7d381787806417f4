import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_TLS } from '@bascule/testing/tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openCluster } from '../../src/peers/kubernetes/cluster.ts';
import { parseKubernetesUrl } from '../../src/peers/kubernetes/target.ts';
import { openKubernetesSource } from '../../src/sources/kubernetes.ts';
import { SpecError, type SourceOptions } from '../../src/spec.ts';
import { createCountingClock } from '../contract/counting-clock.ts';
import { SERVICE } from '../contract/endpoints.ts';
import { has, Opened, until } from './follow.ts';
import { answerList, sliceOf, startApiStub, type ApiStub } from './kubernetes/api-stub.ts';

const opened = new Opened();
let api: ApiStub;
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bascule-kubeconfig-'));
});
beforeEach(async () => {
  api = opened.add(await startApiStub());
  api.list(answerList('10', [sliceOf('a', ['one'])]));
});
afterEach(() => opened.closeAll());
afterAll(() => rmSync(folder, { recursive: true }));

function put(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text, { mode: 0o755 });
  return file;
}

/** A kubeconfig with one context, whose user is as given. */
function putConfig(name: string, user: object, cluster: object = {}): string {
  const ca = Buffer.from(TEST_TLS.cert).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: `https://${api.address}/`, 'certificate-authority-data': ca, ...cluster } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  return put(name, JSON.stringify(config));
}

const optionsOf = (options: Partial<SourceOptions>): SourceOptions => ({
  url: new URL('kubernetes:///bascule/places'),
  credentials: {},
  clock: createCountingClock(),
  dial: () => {
    throw new Error('Kubernetes is not dialled');
  },
  defaults: { services: [SERVICE], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' },
  env: {},
  baseDir: folder,
  schemas: new Map(),
  ...options,
});

describe('the API server of a kubeconfig', () => {
  const URL_OF = 'kubernetes:///bascule/places';
  const tokens = (): unknown[] => api.headers.map(({ authorization }) => authorization);

  it('is found by parameter, relative to the configuration, and by KUBECONFIG', async () => {
    putConfig('config.yaml', { token: 'from-file' });
    const seen = await opened.follow(`${URL_OF}?kubeconfig=config.yaml`, { baseDir: folder });
    await has(seen, ['one']);
    const other = await opened.follow(URL_OF, { env: { KUBECONFIG: join(folder, 'config.yaml') } });
    await has(other, ['one']);
    expect(new Set(tokens())).toEqual(new Set(['Bearer from-file']));
  });

  it('is that of the context that is asked for, out of all files', async () => {
    const files = [putConfig('here.yaml', { token: 'here' }), putConfig('there.yaml', { token: 'there' })];
    const env = { KUBECONFIG: files.join(':') };
    await has(await opened.follow(URL_OF, { env }), ['one']);
    await has(await opened.follow(`${URL_OF}?context=there.yaml`, { env }), ['one']);
    expect([...new Set(tokens())]).toEqual(['Bearer here', 'Bearer there']);
    const wrong = await opened.follow(`${URL_OF}?context=nowhere`, { env });
    await until('it is told', () => wrong.source.status().error !== undefined);
    expect(wrong.source.status().error).toContain('no context "nowhere"; there are here.yaml, there.yaml');
  });

  it('is told who we are by the plugin of its user', async () => {
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential' };
    const answer = JSON.stringify({ ...credential, status: { token: 'of-a-plugin' } });
    const exec = { apiVersion: credential.apiVersion, command: '/bin/echo', args: [answer] };
    const file = putConfig('plugin.yaml', { exec });
    await has(await opened.follow(URL_OF, { env: { KUBECONFIG: file } }), ['one']);
    expect(tokens()[0]).toBe('Bearer of-a-plugin');
  });

  it.each([
    ['fails', ['-c', 'echo "no such profile" >&2; exit 3'], 'cannot log in: no such profile'],
    ['never answers', ['-c', 'exec sleep 20'], 'no answer within 30000 ms'],
  ])('is not asked when that plugin %s', async (_, args, words) => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/sh', args };
    const file = putConfig('plugin.yaml', { exec });
    const seen = await opened.follow(URL_OF, { env: { KUBECONFIG: file }, clock: createCountingClock(100) });
    await until('it is told', () => seen.source.status().error?.includes(words) === true);
    expect(api.lists).toBe(0);
  });

  it('is reached through the proxy that stands there', async () => {
    const asked: (string | undefined)[] = [];
    const proxy = createServer().listen(0, '127.0.0.1');
    proxy.on('connect', (request, client) => {
      asked.push(request.url);
      const [host, port] = (request.url ?? '').split(':');
      const server = connect(Number(port), host, () => client.write('HTTP/1.1 200 OK\r\n\r\n'));
      server.pipe(client).pipe(server);
      server.on('error', () => client.destroy());
      server.on('close', () => client.destroy());
      client.on('error', () => server.destroy());
    });
    await once(proxy, 'listening');
    opened.add({ close: () => new Promise((resolve) => proxy.close(resolve)) });
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const file = putConfig('proxied.yaml', { token: 'x' }, { 'proxy-url': url });
    await has(await opened.follow(URL_OF, { env: { KUBECONFIG: file } }), ['one']);
    expect(asked).toContain(api.address);
  });

  it('of a file that cannot be read is told by name', async () => {
    const missing = await opened.follow(`${URL_OF}?kubeconfig=missing.yaml`, { baseDir: folder });
    const empty = await opened.follow(URL_OF, { env: { KUBECONFIG: put('empty.yaml', '') } });
    await until('both are told', () => [missing, empty].every(({ source }) => source.status().error !== undefined));
    expect(missing.source.status().error).toContain(join(folder, 'missing.yaml'));
    expect(empty.source.status().error).toContain(join(folder, 'empty.yaml'));
  });
});

describe('the API server of the pod that we run in', () => {
  it('is found in the environment, and told the token of the moment', async () => {
    put('token', 'first\n');
    put('ca.crt', TEST_TLS.cert);
    const target = parseKubernetesUrl(new URL('kubernetes:///bascule/places'));
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
    const cluster = await openCluster(target, { credentials: {}, env, baseDir: '/' }, folder);
    expect(cluster.baseUrl).toBe('https://[fd00::1]:6443');
    expect(await cluster.identify()).toEqual({
      headers: { authorization: 'Bearer first' },
      tls: { ca: TEST_TLS.cert },
    });
    put('token', 'second');
    expect((await cluster.identify()).headers).toEqual({ authorization: 'Bearer second' });
  });

  it('is missing elsewhere, with words', async () => {
    const seen = await opened.follow('kubernetes:///bascule/places');
    await until('it is told', () => seen.source.status().error !== undefined);
    expect(seen.source.status().error).toContain('no API server: name it');
  });
});

describe('what is given beside the URL', () => {
  it('replaces what was found', async () => {
    const file = putConfig('config.yaml', { token: 'from-file' });
    const seen = await opened.follow('kubernetes:///bascule/places', {
      env: { KUBECONFIG: file },
      credentials: { token: 'given' },
    });
    await has(seen, ['one']);
    expect(api.headers[0]?.authorization).toBe('Bearer given');
  });

  it('is no password', () => {
    expect(() => openKubernetesSource(optionsOf({ credentials: { username: 'admin' } }))).toThrow(/give a token/);
  });
});

describe('a URL', () => {
  it.each([
    ['kubernetes:///', /must read kubernetes:/],
    ['kubernetes:///Upper/places', /must read kubernetes:/],
    ['kubernetes:///bascule/places/more', /must read kubernetes:/],
    ['kubernetes:///bascule/pla_ces', /"pla_ces" is no name of a Service/],
    ['kubernetes:///bascule/a,,b', /"" is no name of a Service/],
    ['kubernetes:///bascule/places?prot=grpc', /no parameter "prot"; there are port, family/],
    ['kubernetes:///bascule/places?family=6', /must be ipv4 or ipv6/],
    ['kubernetes:///bascule/places?watchSeconds=1', /must be 2 to 300/],
    ['kubernetes://api:6443/bascule/places?context=x', /names the API server twice/],
    ['kubernetes://me:secret@api:6443/bascule', /do not belong into the URL/],
    ['kubernetes:///bascule/places#x', /nothing may follow/],
  ])('%s is refused', (url, words) => {
    const open = (): unknown => openKubernetesSource(optionsOf({ url: new URL(url) }));
    expect(open).toThrow(words);
    expect(open).toThrow(SpecError);
  });

  it('shows no secrets when it is refused', () => {
    const open = (): unknown => openKubernetesSource(optionsOf({ url: new URL('kubernetes://a:secret@b/c') }));
    expect(open).not.toThrow(/secret/);
  });
});
