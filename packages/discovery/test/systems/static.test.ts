import { createVirtualClock, type Endpoint } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createSource } from '../../src/sources/create-source.ts';
import { createStaticDriver, openStaticSource } from '../../src/sources/static.ts';
import { createEndpoint, SERVICE } from '../contract/endpoints.ts';
import { record } from '../contract/recorder.ts';
import { describeSystemContract } from '../contract/system-contract.ts';
import { ALL_BUT_SEEN } from './listed-once.ts';

describeSystemContract(
  'static',
  () => {
    return Promise.resolve({
      scope() {
        const addresses: string[] = [];
        return {
          access: () => ({ url: `static:${addresses.join()}` }),
          writer: {
            write({ host, port }) {
              addresses.push(`${host}:${port}`);
              return Promise.resolve();
            },
            erase: () => Promise.resolve(),
          },
        };
      },
      close: () => Promise.resolve(),
    });
  },
  { notApplicable: ALL_BUT_SEEN, seenAs: toListed },
);

/** What an address alone says. */
function toListed({ host, port }: Endpoint): Endpoint {
  return createEndpoint(0, { instanceId: `${host}:${port}`, incarnation: 1, host, port });
}

function open(url: string) {
  return openStaticSource({
    url: new URL(url),
    baseDir: '/',
    clock: createVirtualClock(),
    credentials: {},
    env: {},
    schemas: new Map(),
    defaults: { services: [SERVICE], protocol: 'connect', codecs: ['proto', 'json'], schemaDigest: '' },
    dial: () => {
      throw new Error('nobody is dialled');
    },
  });
}

describe('a list in a URL', () => {
  it('is of addresses, with what is said of the source', async () => {
    const source = createSource({
      driver: open('static:h:1,[2001:DB8:0:0::1]:2, 10.0.0.1:3'),
      clock: createVirtualClock(),
    });
    const seen = record(source);
    expect([...seen.set.values()].map(({ host, port, protocol }) => [host, port, protocol])).toEqual([
      ['h', 1, 'connect'],
      ['2001:db8::1', 2, 'connect'],
      ['10.0.0.1', 3, 'connect'],
    ]);
    expect(source.status().state).toBe('connected');
    await source.close();
  });

  it('speaks TLS where https:// stands in front of an address', async () => {
    const driver = open('static:https://10.0.0.1:8443,10.0.0.2:80,https://[::1]:8443');
    const source = createSource({ driver, clock: createVirtualClock() });
    const seen = record(source);
    expect([...seen.set.values()].map(({ host, port, tls }) => [host, port, tls])).toEqual([
      ['10.0.0.1', 8443, true],
      ['10.0.0.2', 80, undefined],
      ['::1', 8443, true],
    ]);
    await source.close();
  });

  it.each([
    ['static:', '"" is no address'],
    ['static:h', '"h" is no address'],
    ['static:h:0', '"h:0" is no address'],
    ['static:h:65536', 'is no address'],
    ['static:h:1,', '"" is no address'],
    ['static:h:1,h:1', 'lists h:1 twice'],
    ['static:::1:80', 'is no address'],
    ['static:[1::2::3]:80', 'is no address'],
    ['static://h:1', 'is no address'],
    ['static:http://h:1', 'is no address'],
    ['static:h:1?weight=2', 'more than addresses'],
    ['static:h:1#x', 'more than addresses'],
    ['static:%zz:1', 'is no address'],
  ])('is refused in words when it is %s', (url, words) => {
    expect(() => open(url)).toThrow(words);
  });
});

it('lists nobody twice', () => {
  expect(() => createStaticDriver([createEndpoint(1), createEndpoint(1)])).toThrow(/places-1#7 is listed twice/);
});
