import { createVirtualClock, type Endpoint } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { SpecError } from '../../src/spec.ts';
import { createSource } from '../../src/sources/create-source.ts';
import { openEnvSource } from '../../src/sources/env.ts';
import { SERVICE } from '../contract/endpoints.ts';
import { record } from '../contract/recorder.ts';
import { describeSystemContract } from '../contract/system-contract.ts';
import { ALL_BUT_SEEN } from './listed-once.ts';

describeSystemContract(
  'env',
  () => {
    return Promise.resolve({
      scope() {
        const entries: unknown[] = [];
        return {
          access: () => ({ url: 'env:PLACES', env: { PLACES: JSON.stringify({ endpoints: entries }) } }),
          writer: {
            write({ host, port, moduleVersion, ...rest }: Endpoint) {
              entries.push({ address: `${host}:${port}`, version: moduleVersion, ...rest });
              return Promise.resolve();
            },
            erase: () => Promise.resolve(),
          },
        };
      },
      close: () => Promise.resolve(),
    });
  },
  { notApplicable: ALL_BUT_SEEN },
);

function open(env: Record<string, string | undefined>, url = 'env:PLACES') {
  return openEnvSource({
    url: new URL(url),
    baseDir: '/',
    clock: createVirtualClock(),
    credentials: {},
    env,
    schemas: new Map(),
    defaults: { services: [SERVICE], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' },
    dial: () => {
      throw new Error('nobody is dialled');
    },
  });
}

describe('a variable', () => {
  it.each([
    ['h:1,h:2', ['h:1', 'h:2']],
    [' h:1 , [::1]:2 ', ['h:1', '0::1:2']],
    ['[::1]:80', ['0::1:80']],
    ['[]', []],
    ['{"endpoints": []}', []],
    ['["h:1"]', ['h:1']],
    ['[ {"address": "h:1", "instanceId": "x"} ]', ['x']],
  ])('may be %s', async (PLACES, ids) => {
    const source = createSource({ driver: open({ PLACES }), clock: createVirtualClock() });
    expect(
      record(source)
        .endpoints()
        .map(({ instanceId }) => instanceId),
    ).toEqual(ids.toSorted());
    await source.close();
  });

  it.each([
    [undefined, 'the variable PLACES is not set'],
    ['', 'is not set'],
    [' ', 'is not set'],
    ['h', 'the variable PLACES: "h" is no address'],
    ['h:1,,h:2', '"" is no address'],
    ['h:1,h:1', 'lists h:1 twice'],
    ['{', 'the variable PLACES:1:'],
    ['{"endpoints": [{"address": "h:1", "wait": 1}, "h:0"]}', ':1:43 endpoints[0].wait: means nothing here'],
    ['["h:1", "h:0"]', 'the variable PLACES:1:9 [1]: must be host:port'],
  ])('is refused in words when it is %j', (PLACES, words) => {
    expect(() => open({ PLACES })).toThrow(words);
    expect(() => open({ PLACES })).toThrow(SpecError);
  });

  it.each(['env:', 'env:A-B', 'env:1A', 'env://PLACES', 'env:PLACES?x=1', 'env:PLACES#x'])(
    'is not named by %s',
    (url) => {
      expect(() => open({ PLACES: 'h:1' }, url)).toThrow('write env:NAME');
    },
  );

  it.each(['__proto__', 'constructor', 'toString'])('that nobody set is not found in the prototype: %s', (name) => {
    expect(() => open({}, `env:${name}`)).toThrow('is not set');
  });
});
