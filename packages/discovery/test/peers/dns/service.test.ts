import { createVirtualClock } from '@bascule/core';
import type { Answer } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { a, soa, srv, type Asked, type Reply } from './fake-server.ts';
import { fake, follow, ids, isStaleWith, open, sees, tells, useFakeDns } from './rig.ts';

const SERVICE_NAME = '_grpc._tcp.places.test';

useFakeDns();

describe('SRV records', () => {
  const followService = (query = '') => follow(`${SERVICE_NAME}${query}`, 'dns+srv');
  const service =
    (records: readonly Answer[], additionals: readonly Answer[] = []) =>
    ({ name, type }: Asked): Reply => {
      if (type === 'SRV') return { answers: records, additionals };
      return type === 'A' ? { answers: [a(name, '10.0.0.1')] } : { authorities: [soa(5, 5)] };
    };

  it('carry port, priority and weight; their targets are asked for, each once', async () => {
    fake.answer(
      service([
        srv(SERVICE_NAME, 'X.test', { port: 81, priority: 1, weight: 30 }),
        srv(SERVICE_NAME, 'x.test.', { port: 82, priority: 2, weight: 65_535 }),
      ]),
    );
    const { seen } = followService();
    await sees(seen, '10.0.0.1:81', '10.0.0.1:82');
    expect(seen.set.get('10.0.0.1:81#1')).toMatchObject({ priority: 1, weight: 30, port: 81 });
    expect(seen.set.get('10.0.0.1:82#1')).toMatchObject({ priority: 2, weight: 65_535 });
    expect(fake.asked).toHaveLength(3);
  });

  it('whose targets come along need no more questions', async () => {
    const more: Answer[] = [a('x.test', '10.0.0.7', 3), { type: 'AAAA', name: 'x.test', ttl: 9, data: '2001:db8::7' }];
    fake.answer(service([srv(SERVICE_NAME, 'x.test')], more));
    const { seen, lastWaitMs } = followService();
    await sees(seen, '10.0.0.7:80', '2001:db8::7:80');
    expect(fake.asked).toHaveLength(1);
    expect(lastWaitMs()).toBeLessThanOrEqual(3_300);
  });

  it.each([
    [
      [0, 0],
      [1, 1],
    ],
    [
      [0, 1, 3],
      [1, 100, 300],
    ],
    [
      [0, 65_535],
      [1, 65_535],
    ],
    [
      [0, 6_553],
      [1, 65_534],
    ],
    [
      [0, 1, 65_535],
      [1, 1, 65_535],
    ],
    [
      [1, 2],
      [1, 2],
    ],
  ])('of weights %j among themselves have weights %j', async (weights, expected) => {
    fake.answer(service(weights.map((weight, index) => srv(SERVICE_NAME, 'x.test', { weight, port: 81 + index }))));
    const { seen } = followService();
    await expect.poll(() => [...seen.set.values()].map(({ weight }) => weight)).toEqual(expected);
  });

  it('weigh within their priority alone', async () => {
    fake.answer(
      service([
        srv(SERVICE_NAME, 'x.test', { weight: 0, port: 81, priority: 0 }),
        srv(SERVICE_NAME, 'x.test', { weight: 5, port: 82, priority: 1 }),
      ]),
    );
    const { seen } = followService();
    await expect.poll(() => [...seen.set.values()].map(({ weight }) => weight)).toEqual([1, 5]);
  });

  it('that name an address twice count once, as the preferred one, in whatever order', async () => {
    const records = [
      srv(SERVICE_NAME, 'x.test', { priority: 2, weight: 9 }),
      srv(SERVICE_NAME, 'y.test', { priority: 1, weight: 3 }),
      srv(SERVICE_NAME, 'z.test', { priority: 1, weight: 4 }),
    ];
    fake.answer(service(records));
    const { seen, next } = followService();
    await next(0);
    expect(seen.set.get('10.0.0.1:80#1')).toMatchObject({ priority: 1, weight: 4 });
    fake.answer(service(records.toReversed()));
    await next(11_000);
    expect(seen.log).toHaveLength(1);
  });

  it('with the target "." say that there is no such service: gone after the grace', async () => {
    fake.answer(service([srv(SERVICE_NAME, 'x.test')]));
    const { seen, next } = followService('?graceMs=0');
    await next(0);
    fake.answer(service([srv(SERVICE_NAME, '.', { port: 0 })]));
    await next(11_000);
    expect([ids(seen), seen.removals()]).toEqual([[], ['remove 10.0.0.1:80#1 not-in-source']]);
  });

  it('whose target does not exist cost nobody else', async () => {
    const records = [srv(SERVICE_NAME, 'x.test'), srv(SERVICE_NAME, 'gone.test', { port: 81 })];
    fake.answer((asked) =>
      asked.name === 'gone.test' ? { code: 'NXDOMAIN', authorities: [soa(2, 2)] } : service(records)(asked),
    );
    const { seen, lastWaitMs } = followService();
    await sees(seen, '10.0.0.1:80');
    expect(lastWaitMs()).toBeLessThanOrEqual(2_200);
  });

  it('whose target cannot be resolved keep whom it was resolved to', async () => {
    const records = [srv(SERVICE_NAME, 'x.test'), srv(SERVICE_NAME, 'y.test', { port: 81 })];
    fake.answer(service(records));
    const { seen, next } = followService();
    await next(0);
    expect(ids(seen)).toEqual(['10.0.0.1:80', '10.0.0.1:81']);
    fake.answer((asked) => (asked.name === 'y.test' ? { code: 'SERVFAIL' } : service(records)(asked)));
    for (let times = 0; times < 5; times++) await next(11_000);
    await tells(seen, '10.0.0.1:80', '10.0.0.1:81');
    expect([seen.removals(), seen.warnings.length]).toEqual([[], 2]);
  });

  it('none of whose targets can be resolved are a failure', async () => {
    fake.answer((asked) =>
      asked.type === 'SRV' ? service([srv(SERVICE_NAME, 'x.test')])(asked) : { code: 'REFUSED' },
    );
    await isStaleWith(followService().seen, 'A of x.test');
  });
});

describe('a URL of DNS', () => {
  it.each([
    ['dns:///', 'it must name what to ask for, as in dns:///name:port'],
    ['dns:///name', 'it must name a port'],
    ['dns:///name:0', 'it must name a port'],
    ['dns:///name:65536', 'it must name a port'],
    ['dns:///a/b:80', 'it must name what to ask for'],
    ['dns:///a..b:80', 'it must name what to ask for'],
    ['dns:///-a.b:80', 'it must name what to ask for'],
    [`dns:///${'a'.repeat(64)}:80`, 'it must name what to ask for'],
    [`dns:///${'a.'.repeat(130)}:80`, 'it must name what to ask for'],
    ['dns:///10.0.0.1:80', 'is an address: write static:10.0.0.1:port'],
    ['dns://ns.test/name:80', '"ns.test" is where an address of a server stands: write dns:///name:port to'],
    ['dns://places.test:80', 'write dns:///places.test:80 to ask'],
    ['dns+srv://_grpc._tcp.places.test', 'write dns+srv:///_grpc._tcp.places.test to ask'],
    ['dns://user:pw@127.0.0.1/name:80', 'DNS asks for no credentials'],
    ['dns:///name:80#x', 'means nothing here'],
    ['dns:///name:80?ttl=1', '"ttl" is none of graceMs, minTtlMs, maxTtlMs'],
    ['dns:///name:80?graceMs=-1', '"graceMs" must be 0 to'],
    ['dns:///name:80?minTtlMs=99', '"minTtlMs" must be 100 to'],
    ['dns+srv:///_a._tcp.b:80', 'SRV records name their ports'],
    ['dns+srv:///', 'as in dns+srv:///_service._proto.name'],
    ['dns:name:80', 'it must name what to ask for'],
  ])('is refused in words: %s', (url, words) => {
    expect(() => open(url, createVirtualClock())).toThrow(words);
  });

  it.each(['dns:///name:80', 'dns://[::1]:53/a.b.c.:80', 'dns+srv:///_a._tcp.b', 'dns+srv://10.0.0.1/b?graceMs=0'])(
    'may be %s',
    async (url) => {
      await open(url, createVirtualClock()).close();
    },
  );
});
