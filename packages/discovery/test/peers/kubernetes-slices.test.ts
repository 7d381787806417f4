import type { Endpoint } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSlice, type Slice } from '../../src/peers/kubernetes/endpoint-slice.ts';
import { portOf, protocolOf } from '../../src/peers/kubernetes/port.ts';
import { createSliceSet } from '../../src/peers/kubernetes/slice-set.ts';
import { SERVICE } from '../contract/endpoints.ts';

const DEFAULTS = { services: [SERVICE], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' } as const;
const TARGET = { portName: undefined, family: 'IPv4', isOneService: true } as const;

function read(slice: object, known?: Slice): { slice: Slice; warnings: string[] } {
  const warnings: string[] = [];
  const reader = { target: TARGET, defaults: DEFAULTS, warn: (text: string) => void warnings.push(text) };
  return { slice: readSlice(slice as Record<string, unknown>, known, reader), warnings };
}

/** What a test of merging writes: pods by number, at an address that tells the slice. */
interface Written {
  readonly name: number;
  readonly family: 'IPv4' | 'IPv6';
  readonly incarnation: number;
  readonly pods: readonly number[];
}

function toSlice({ name, family, incarnation, pods }: Written): Slice {
  return read({
    metadata: {
      name: `s${name}`,
      uid: `u${name}`,
      labels: { 'kubernetes.io/service-name': 'places' },
      annotations: { 'bascule-incarnation': String(incarnation) },
    },
    addressType: family,
    ports: [{ port: 50_051 }],
    endpoints: pods.map((pod) => ({ addresses: [`10.0.${name}.${pod}`], targetRef: { name: `pod-${pod}` } })),
  }).slice;
}

const written = fc.record({
  name: fc.integer({ min: 0, max: 4 }),
  family: fc.constantFrom<'IPv4' | 'IPv6'>('IPv4', 'IPv6'),
  incarnation: fc.integer({ min: 1, max: 2 }),
  pods: fc.uniqueArray(fc.integer({ min: 0, max: 6 })),
});
const step = fc.oneof(
  written.map((slice) => ({ type: 'put' as const, slice })),
  fc.integer({ min: 0, max: 4 }).map((name) => ({ type: 'remove' as const, name })),
  fc.uniqueArray(written, { selector: ({ name }) => name }).map((slices) => ({ type: 'replace' as const, slices })),
);

/** The same, as simple as can be: of all that say something of a pod, the best that was said last. */
function expected(told: readonly Written[]): Set<string> {
  const best = new Map<string, { host: string; rank: number }>();
  for (const { name, family, incarnation, pods } of told) {
    for (const pod of pods) {
      const rank = incarnation * 2 + (family === 'IPv4' ? 1 : 0);
      const known = best.get(`pod-${pod}`);
      if (known === undefined || rank >= known.rank) best.set(`pod-${pod}`, { host: `10.0.${name}.${pod}`, rank });
    }
  }
  return new Set([...best].map(([id, { host }]) => `${id} ${host}`));
}

describe('slices, merged', () => {
  it('are the same set whatever came in which order, and news tell all of it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const set = createSliceSet();
        const heard = new Map<string, Endpoint>();
        let told: Written[] = [];
        for (const step of steps) {
          if (step.type === 'replace') {
            told = step.slices;
            set.replace(step.slices.map(toSlice));
            heard.clear();
            for (const endpoint of set.endpoints()) heard.set(endpoint.instanceId, endpoint);
          } else {
            const name = step.type === 'put' ? step.slice.name : step.name;
            told = told.filter((slice) => slice.name !== name);
            if (step.type === 'put') told.push(step.slice);
            const news = step.type === 'put' ? set.put(toSlice(step.slice)) : set.remove(`s${name}`);
            for (const id of news.gone) heard.delete(id);
            for (const endpoint of news.told) heard.set(endpoint.instanceId, endpoint);
          }
          const hosts = (all: Iterable<Endpoint>) =>
            new Set([...all].map(({ instanceId, host }) => `${instanceId} ${host}`));
          const want = expected(told);
          expect(hosts(set.endpoints())).toEqual(want);
          expect(hosts(heard.values())).toEqual(want);
        }
      }),
      fuzzing(100),
    );
  });
});

describe('a slice that is read again', () => {
  const slice = {
    metadata: { name: 'a', uid: 'u', annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '1' } },
    addressType: 'IPv4',
    ports: [{ port: 1 }],
    endpoints: [
      { addresses: ['10.0.0.1'], targetRef: { name: 'one' } },
      { addresses: ['10.0.0.2'], targetRef: { name: 'two' } },
    ],
  };

  it('keeps what is the same as it was, so that one change is one', () => {
    const { slice: before } = read(slice);
    const [one, two] = slice.endpoints as [object, object];
    const { slice: after } = read(
      {
        ...slice,
        metadata: { ...slice.metadata, annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2' } },
        endpoints: [one, { ...two, conditions: { ready: false } }],
      },
      before,
    );
    expect(after.entries.get('one')).toBe(before.entries.get('one'));
    expect(after.entries.get('two')).not.toBe(before.entries.get('two'));
  });

  it('takes labels of the Service and annotations, and none of the words of Kubernetes itself', () => {
    const labels = {
      'kubernetes.io/service-name': 'places',
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      'app.kubernetes.io/version': '1.4.2',
      tier: 'gold',
      'bascule-services': 'demo.echo.v1.EchoService',
      'bascule-version': '9',
    };
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', notes: 'x'.repeat(1_000) };
    const { slice: told } = read({ ...slice, metadata: { name: 'a', labels, annotations } });
    expect(told.entries.get('one')?.endpoint).toMatchObject({
      labels: { 'app.kubernetes.io/version': '1.4.2', tier: 'gold' },
      services: ['demo.echo.v1.EchoService'],
      moduleVersion: '9',
      incarnation: 1,
    });
  });

  it.each([
    [{ port: 1, appProtocol: 'https' }, {}, true],
    [{ port: 1, appProtocol: 'http' }, {}, undefined],
    [{ port: 1 }, { 'bascule-tls': 'true' }, true],
    [{ port: 1, appProtocol: 'https' }, { 'bascule-tls': 'false' }, undefined],
  ])('reads whether TLS is spoken: %j, %j', (port, annotations, tls) => {
    const { slice: told } = read({ ...slice, ports: [port], metadata: { name: 'a', annotations } });
    expect(told.entries.get('one')?.endpoint.tls).toBe(tls);
  });

  it('says what is missing when nobody knows what it answers', () => {
    const warnings: string[] = [];
    readSlice(slice, undefined, {
      target: TARGET,
      defaults: { ...DEFAULTS, services: [] },
      warn: (text) => void warnings.push(text),
    });
    expect(warnings[0]).toContain('Label its Service with bascule-services');
  });
});

describe('a port', () => {
  const ports = (...ports: object[]) => ({ ports });

  it.each([
    ['the only one', ports({ port: 1 }), undefined, 1],
    ['the one by name', ports({ name: 'a', port: 1 }, { name: 'b', port: 2 }), 'b', 2],
    ['the only one for gRPC, by name', ports({ name: 'http', port: 1 }, { name: 'grpc-api', port: 2 }), undefined, 2],
    [
      'the only one for gRPC, by protocol',
      ports({ port: 1, appProtocol: 'http' }, { port: 2, appProtocol: 'grpc' }),
      undefined,
      2,
    ],
  ])('is %s', (_, slice, name, port) => {
    expect(portOf(slice, name).number).toBe(port);
  });

  it.each([
    [ports({ name: 'grpc', port: 1 }, { name: 'grpc-admin', port: 2 }), undefined, 'which port of grpc, grpc-admin'],
    [ports({ name: 'a', port: 1 }), 'grpc', 'no port "grpc" among a'],
    // All ports, as headless Services without selectors may say.
    [ports({ name: 'grpc', port: null }), undefined, 'port "grpc" has no number'],
    [{ ports: null }, undefined, 'which port of none'],
  ])('is not guessed: %j', (slice, name, words) => {
    expect(() => portOf(slice, name)).toThrow(words);
  });

  it.each([
    ['grpc', 'connect', 'grpc'],
    ['http', 'grpc', 'grpc'],
    ['http', 'connect', 'connect+http1'],
    ['kubernetes.io/h2c', 'connect+http1', 'connect'],
    ['kubernetes.io/h2c', 'grpc', 'grpc'],
    ['http', 'grpc-web', 'grpc-web+http1'],
    ['kubernetes.io/wss', 'connect', 'connect'],
    ['', 'grpc-web+http1', 'grpc-web+http1'],
  ] as const)('that says "%s" where "%s" is configured speaks %s', (appProtocol, configured, protocol) => {
    expect(protocolOf(appProtocol, configured)).toBe(protocol);
  });
});
