import type { Endpoint } from '@bascule/core';
import { canStart, startKubernetes, type KubernetesServer } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEndpoint, SERVICE } from '../contract/endpoints.ts';
import type { Recorded } from '../contract/recorder.ts';
import { has, Opened, until, type FollowOptions } from './follow.ts';
import { createSliceWriter, HOST, toSlice } from './kubernetes/slice-writer.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

describe.skipIf(!canStart('kubernetes'))('kubernetes', () => {
  let server: KubernetesServer;
  let slices: ReturnType<typeof createSliceWriter>;
  let service = '';
  let tests = 0;

  beforeAll(async () => {
    server = await startKubernetes();
    slices = createSliceWriter(server);
  });
  afterAll(() => server.stop());

  function next(): string {
    service = `test-${++tests}`;
    return service;
  }
  function follow(query = '', options: FollowOptions = {}, path = service): Promise<Recorded> {
    return opened.follow(`kubernetes://${server.address}/${server.namespace}/${path}?watchSeconds=4${query}`, {
      credentials: { token: server.readOnlyToken, tls: { ca: server.ca } },
      ...options,
    });
  }
  const write = (name: string, ...endpoints: Endpoint[]): Promise<void> =>
    slices.write(
      endpoints.length > 0
        ? toSlice(`${service}-${name}`, service, endpoints)
        : { name: `${service}-${name}`, service, ports: [], endpoints: [] },
    );
  /** One port for all, as in one slice. */
  const pod = (number: number, overrides: Partial<Endpoint> = {}): Endpoint =>
    createEndpoint(number, { port: 50_051, ...overrides });

  it('lets nobody flap who moves from one slice to another', async () => {
    next();
    await write('a', pod(1), pod(2));
    await write('b', pod(3));
    const seen = await follow();
    await has(seen, ['places-1', 'places-2', 'places-3']);
    // Taken away first, put elsewhere then; and the other way round.
    await write('a', pod(1));
    await write('b', pod(2), pod(3));
    await write('a', pod(1), pod(2), pod(4));
    await write('b', pod(3));
    await slices.erase(`${service}-b`);
    await write('a', pod(1), pod(2), pod(3), pod(4), pod(5));
    await has(seen, ['places-1', 'places-2', 'places-3', 'places-4', 'places-5']);
    // What was held for a moment would have been told as gone by the end of the next watch.
    await write('c', pod(6));
    await write('c');
    await until('who left is gone', () => seen.removals().length > 0);
    expect([seen.removals(), seen.broken]).toEqual([['remove places-6#7 deregistered'], []]);
  });

  it('takes the last one out at once when its only slice has lost it', async () => {
    next();
    await write('a', pod(1));
    const seen = await follow();
    await has(seen, ['places-1']);
    await write('a');
    await has(seen, []);
    expect(seen.removals()).toEqual(['remove places-1#7 deregistered']);
  });

  it('reads conditions as Kubernetes means them', async () => {
    next();
    const conditions = [
      {},
      { ready: true, serving: true, terminating: false },
      { ready: false },
      { ready: false, serving: true, terminating: true },
      { ready: false, serving: false, terminating: true },
      // A Service that publishes who is not ready.
      { ready: true, serving: false, terminating: false },
    ];
    const endpoints = conditions.map((conditions, index) => ({
      addresses: [`10.0.0.${index}`],
      conditions,
      targetRef: { kind: 'Pod', name: `pod-${index}` },
    }));
    await slices.write({ name: `${service}-a`, service, endpoints });
    const seen = await follow();
    await until('all are told', () => seen.set.size === conditions.length);
    expect(seen.endpoints().map(({ health }) => health)).toEqual([
      undefined,
      undefined,
      'failing',
      'draining',
      'failing',
      undefined,
    ]);
  });

  it('takes a pod of two address families once, at the one that is wanted', async () => {
    next();
    const endpoint = (address: string) => ({
      addresses: [address],
      targetRef: { kind: 'Pod', name: 'pod', uid: 'u-1' },
    });
    await slices.write({ name: `${service}-6`, service, addressType: 'IPv6', endpoints: [endpoint('fd00::7')] });
    await slices.write({ name: `${service}-4`, service, endpoints: [endpoint(HOST)] });
    const [four, six] = [await follow(), await follow('&family=ipv6')];
    await has(four, ['pod@u-1']);
    await has(six, ['pod@u-1']);
    expect([four.endpoints()[0]?.host, six.endpoints()[0]?.host]).toEqual([HOST, 'fd00::7']);
    // Who has lost the one is reached at the other.
    await slices.write({ name: `${service}-4`, service, endpoints: [] });
    await until('it is reached at the other', () => four.endpoints()[0]?.host === 'fd00::7');
    expect([four.removals(), four.broken]).toEqual([[], []]);
  });

  it('knows a pod that comes again under its name as another one', async () => {
    next();
    const web = (uid: string, address: string) => ({
      name: `${service}-a`,
      service,
      endpoints: [{ addresses: [address], targetRef: { kind: 'Pod', name: 'web-0', uid } }],
    });
    await slices.write(web('aaaa', '10.0.0.1'));
    const seen = await follow();
    await has(seen, ['web-0@aaaa']);
    await slices.write(web('bbbb', '10.0.0.2'));
    await has(seen, ['web-0@bbbb']);
    expect(seen.log).toEqual(['insert web-0@aaaa#1', 'insert web-0@bbbb#1', 'remove web-0@aaaa#1 deregistered']);
  });

  it('follows several Services, in which one pod is one instance per port', async () => {
    const [one, two] = [next(), next()];
    const endpoints = [{ addresses: [HOST], targetRef: { kind: 'Pod', name: 'pod', uid: 'u-1' } }];
    const labels = { 'bascule-services': 'demo.echo.v1.EchoService' };
    await slices.write({ name: one, service: one, endpoints });
    await slices.write({ name: two, service: two, endpoints, ports: [{ name: 'grpc', port: 50_052 }], labels });
    await slices.write({ name: `${two}-again`, service: two, endpoints, labels });
    const seen = await follow('', {}, `${one},${two}`);
    await has(seen, ['pod@u-1:50051', 'pod@u-1:50052']);
    expect(seen.endpoints().map(({ services }) => services.toSorted())).toEqual([
      ['demo.echo.v1.EchoService', SERVICE],
      ['demo.echo.v1.EchoService'],
    ]);
  });

  it('finds Services by a label when none is named', async () => {
    const endpoints = [{ addresses: [HOST], targetRef: { kind: 'Pod', name: 'pod' } }];
    await slices.write({ name: next(), service, endpoints, labels: { bascule: 'true' } });
    await slices.write({ name: next(), service, endpoints: [{ addresses: ['10.9.9.9'] }], labels: { tier: 'db' } });
    await has(await follow('', {}, ''), ['pod:50051']);
    await has(await follow('&labelSelector=tier%3Ddb', {}, ''), ['10.9.9.9:50051']);
  });

  it('takes the port that is named or clear, and says which there are', async () => {
    next();
    const endpoints = [{ addresses: [HOST], targetRef: { kind: 'Pod', name: 'pod' } }];
    const ports = [
      { name: 'metrics', port: 9_090 },
      { name: 'rpc', port: 50_051, appProtocol: 'kubernetes.io/h2c' },
      { name: 'web', port: 8_080, appProtocol: 'http' },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ];
    await slices.write({ name: `${service}-a`, service, endpoints, ports });
    const [clear, web, missing] = [
      await follow(),
      await follow('&port=web', { defaults: { protocol: 'connect' } }),
      await follow('&port=grpc'),
    ];
    await has(clear, ['pod']);
    await has(web, ['pod']);
    expect(clear.endpoints()[0]).toMatchObject({ port: 50_051, protocol: 'grpc' });
    expect(web.endpoints()[0]).toMatchObject({ port: 8_080, protocol: 'connect+http1' });
    await until('it is warned', () => missing.warnings.length > 0);
    expect(missing.warnings[0]).toBe(`EndpointSlice ${service}-a: no port "grpc" among metrics, rpc, web, dns`);
  });

  it('reads pages', async () => {
    next();
    const numbers = Array.from({ length: 230 }, (_, number) => number);
    for (let from = 0; from < numbers.length; from += 20) {
      await Promise.all(numbers.slice(from, from + 20).map((number) => write(`s${number}`, pod(number))));
    }
    const seen = await follow();
    await until('all are told', () => seen.set.size === numbers.length);
    expect(seen.log).toHaveLength(numbers.length);
  });

  it('names the right that is missing, the namespace and what to do', async () => {
    next();
    const seen = await opened.follow(`kubernetes://${server.address}/kube-system/${service}`, {
      credentials: { token: server.readOnlyToken, tls: { ca: server.ca } },
    });
    await until('it is refused', () => seen.source.status().state === 'stale');
    const { error } = seen.source.status();
    expect(error).toContain('refuses to list EndpointSlices in namespace "kube-system" with 403');
    expect(error).toContain('"list" and "watch" on the resource "endpointslices"');
    expect(error).toContain('"discovery.k8s.io"');
  });

  it('is not connected while it may list and not watch, and does not ask all the time', async () => {
    next();
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/bascule/roles/reader';
    const allow = (verbs: string[]) =>
      server.ask('PUT', rbac, {
        metadata: { name: 'reader' },
        rules: [{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs }],
      });
    await allow(['list']);
    try {
      await write('a', pod(1));
      let seen: Recorded | undefined;
      // It takes the API server a moment to know of the rule.
      await expect
        .poll(
          async () => {
            await seen?.source.close();
            seen = await follow();
            await until('it has tried', () => seen?.source.status().state !== 'connecting');
            return seen.source.status().error;
          },
          { timeout: 20_000 },
        )
        .toContain('refuses to watch');
      expect(seen?.set.size).toBe(0);
    } finally {
      await allow(['get', 'list', 'watch']);
    }
  });

  it('says that the authority of the cluster is missing', async () => {
    const seen = await opened.follow(`kubernetes://${server.address}/bascule`, {
      credentials: { token: server.readOnlyToken },
    });
    await until('it is refused', () => seen.source.status().state === 'stale');
    expect(seen.source.status().error).toContain('give the authority of the cluster (tls.ca)');
  });
});
