import type { Endpoint, EndpointProtocol } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromEndpointMessage, toEndpointMessage } from '../src/endpoint-message.ts';
import { fromMetadata, toMetadata } from '../src/metadata.ts';
import { validateEndpoint } from '../src/registry/validation.ts';
import type { EndpointDefaults } from '../src/spec.ts';
import { createEndpoint, createFullEndpoint } from './contract/endpoints.ts';

const DEFAULTS: EndpointDefaults = {
  services: ['demo.other.v1.OtherService'],
  protocol: 'connect+http1',
  codecs: ['proto', 'json'],
  schemaDigest: '',
};
const OBSERVED = { instanceId: 'x', host: '10.0.0.1', port: 80 };

const textArb = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .filter((text) => !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text));
const nameArb = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,30}$/);
const labelArb = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,30}$/).filter((key) => !key.startsWith('bascule-'));
const serviceArb = fc.stringMatching(/^[a-z][a-z0-9_]{0,9}(\.[A-Za-z][A-Za-z0-9_]{0,9}){1,3}$/);

const endpointArb: fc.Arbitrary<Endpoint> = fc
  .record({
    instanceId: nameArb,
    incarnation: fc.maxSafeNat(),
    host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
    port: fc.integer({ min: 1, max: 65_535 }),
    protocol: fc.constantFrom<EndpointProtocol>('grpc', 'grpc-web', 'grpc-web+http1', 'connect', 'connect+http1'),
    codecs: fc.constantFrom<Endpoint['codecs']>(['proto'], ['proto', 'json']),
    weight: fc.integer({ min: 0, max: 65_535 }),
    priority: fc.integer({ min: 0, max: 65_535 }),
    zone: textArb,
    services: fc.uniqueArray(serviceArb, { minLength: 1, maxLength: 5 }),
    schemaDigest: fc.oneof(fc.constant(''), fc.stringMatching(/^sha256:[0-9a-f]{64}$/)),
    moduleVersion: textArb,
    labels: fc.dictionary(labelArb, textArb, { maxKeys: 8, noNullPrototype: true }),
    health: fc.constantFrom(undefined, 'failing' as const, 'draining' as const),
    tls: fc.constantFrom(undefined, true as const),
  })
  .map(({ health, tls, ...rest }) => ({ ...rest, ...(health && { health }), ...(tls && { tls }) }));

describe('an endpoint as metadata', () => {
  it('is the same when it is read, whatever is in it', { timeout: fuzzTimeoutMs(20_000) }, () => {
    fc.assert(
      fc.property(endpointArb, (endpoint) => {
        expect(fromEndpointMessage(validateEndpoint(toEndpointMessage(endpoint)))).toEqual(endpoint);
        const { instanceId, host, port } = endpoint;
        const metadata = toMetadata(endpoint);
        expect(Object.values(metadata).every((value) => typeof value === 'string')).toBe(true);
        // As it comes back from a system: an object of its own.
        const back = JSON.parse(JSON.stringify(metadata)) as Record<string, string>;
        expect(fromMetadata(back, { instanceId, host, port }, DEFAULTS)).toEqual(endpoint);
      }),
      fuzzing(500),
    );
  });

  it('writes only what is not said by its absence', () => {
    expect({ ...toMetadata(createEndpoint(1)) }).toEqual({
      'bascule-incarnation': '7',
      'bascule-protocol': 'grpc',
      'bascule-weight': '1',
      'bascule-priority': '0',
      'bascule-services': 'demo.places.v1.PlacesService',
    });
  });

  it('leaves out labels that would be taken for ours', () => {
    const labels = { 'bascule-weight': '0', 'bascule-new': 'x', plain: 'y' };
    const metadata = toMetadata(createEndpoint(1, { labels }));
    expect(metadata['bascule-weight']).toBe('1');
    expect(fromMetadata(metadata, OBSERVED, DEFAULTS).labels).toEqual({ plain: 'y' });
  });

  it('says nothing of health that is good', () => {
    expect(toMetadata(createEndpoint(1, { health: 'healthy' }))['bascule-health']).toBeUndefined();
  });
});

describe('a record of somebody else', () => {
  it('has what the system knows, and the defaults for the rest', () => {
    const observed = { ...OBSERVED, weight: 5, priority: 3, zone: 'z', incarnation: 9 };
    expect(fromMetadata({ team: 'a' }, observed, { ...DEFAULTS, schemaDigest: 'sha256:x' })).toEqual({
      ...OBSERVED,
      ...DEFAULTS,
      incarnation: 9,
      weight: 5,
      priority: 3,
      zone: 'z',
      schemaDigest: 'sha256:x',
      moduleVersion: '',
      labels: { team: 'a' },
    });
    expect(fromMetadata({}, OBSERVED, DEFAULTS)).toMatchObject({ incarnation: 1, weight: 1, priority: 0, zone: '' });
  });

  it('has the services that the system tells', () => {
    const services = ['demo.told.v1.ToldService'];
    expect(fromMetadata({}, { ...OBSERVED, services }, DEFAULTS).services).toEqual(services);
  });

  it('reads protobuf only when it is ours and does not say more', () => {
    expect(fromMetadata({ 'bascule-protocol': 'grpc' }, OBSERVED, DEFAULTS).codecs).toEqual(['proto']);
    expect(fromMetadata({}, OBSERVED, DEFAULTS).codecs).toEqual(['proto', 'json']);
  });
});

describe('health', () => {
  it.each([
    [undefined, undefined, undefined],
    ['failing', undefined, 'failing'],
    [undefined, 'failing', 'failing'],
    ['draining', 'failing', 'failing'],
    ['failing', 'draining', 'failing'],
    ['draining', undefined, 'draining'],
    [undefined, 'draining', 'draining'],
    ['healthy', 'draining', 'draining'],
    [undefined, 'healthy', undefined],
    [undefined, 'splendid', undefined],
  ] as const)('is the worse of what the system (%s) and the record (%s) say: %s', (system, own, expected) => {
    const metadata: Record<string, string> = own === undefined ? {} : { 'bascule-health': own };
    const observed = { ...OBSERVED, ...(system !== undefined && { health: system }) };
    expect(fromMetadata(metadata, observed, DEFAULTS).health).toBe(expected);
  });
});

describe('hostile metadata', () => {
  it.each([
    ['bascule-weight', '-1'],
    ['bascule-weight', '65536'],
    ['bascule-weight', '1e3'],
    ['bascule-weight', ''],
    ['bascule-weight', ' 1'],
    ['bascule-weight', '0x10'],
    ['bascule-weight', '٣'],
    ['bascule-priority', '65536'],
    ['bascule-priority', 'NaN'],
    ['bascule-incarnation', '9007199254740992'],
    ['bascule-incarnation', '99999999999999999999999999'],
    ['bascule-protocol', 'port'],
    ['bascule-protocol', 'GRPC'],
    ['bascule-protocol', '__proto__'],
  ])('is refused by the name of its key: %s = %j', (key, value) => {
    expect(() => fromMetadata({ [key]: value }, OBSERVED, DEFAULTS)).toThrow(key);
  });

  it('has no prototype to reach', () => {
    const hostile = JSON.parse('{"__proto__": "x", "constructor": "y", "bascule-weight": "2"}') as Record<
      string,
      string
    >;
    const endpoint = fromMetadata(hostile, OBSERVED, DEFAULTS);
    expect(endpoint.weight).toBe(2);
    expect(Object.entries(endpoint.labels)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    // The limits of records refuse it from here on.
    expect(() => validateEndpoint(toEndpointMessage(endpoint))).toThrow('endpoint.labels');
  });

  it('is not read from the prototype of an object', () => {
    expect(
      fromMetadata(Object.create({ 'bascule-weight': '0' }) as Record<string, string>, OBSERVED, DEFAULTS),
    ).toMatchObject({ weight: 1, labels: {} });
  });

  it('throws words or gives an endpoint, whatever it is', { timeout: fuzzTimeoutMs(20_000) }, () => {
    const keys = Object.keys(toMetadata(createFullEndpoint(1)));
    const hostileArb = fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), fc.string(), { maxKeys: 10 });
    fc.assert(
      fc.property(hostileArb, (metadata) => {
        try {
          const { instanceId, host, port, weight, incarnation } = fromMetadata(metadata, OBSERVED, DEFAULTS);
          expect({ instanceId, host, port }).toEqual(OBSERVED);
          expect(weight >= 0 && weight <= 65_535 && Number.isSafeInteger(incarnation)).toBe(true);
        } catch (error) {
          expect((error as Error).message).toMatch(/^bascule-[a-z]+ must be/);
        }
      }),
      fuzzing(500),
    );
  });
});
