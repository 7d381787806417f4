import { create } from '@bufbuild/protobuf';
import type { MethodFacts } from '@bascule/core';
import { ConfigSchema } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../src/config/settings.ts';
import { compileSnapshot, createMethodCache } from '../../src/control/compile.ts';
import { endpointOf, SEARCH } from '../support.ts';

const settings = resolveSettings(create(ConfigSchema), '/tmp');
const NO_CHECKS = { healthCheck: undefined, loadLimit: undefined } as const;
const VOTE: MethodFacts = { ...SEARCH, method: 'Vote', idempotency: 'idempotent' };

function compile(input: Partial<Parameters<typeof compileSnapshot>[0]>) {
  return compileSnapshot({
    revision: 1,
    settings,
    settingsRevision: 1,
    endpoints: [],
    groups: [],
    methodsOf: () => undefined,
    schemaOf: () => undefined,
    ...input,
  });
}

describe('compile', () => {
  it('makes a cluster of each service, with backends and module versions alike', () => {
    const backend = endpointOf({ services: ['a.A', 'b.B'] });
    const version = endpointOf({ instanceId: 'ranking@1', protocol: 'port', services: ['b.B'] });
    const { clusters } = compile({
      endpoints: [backend],
      groups: [{ module: 'ranking', endpoint: version, schema: new Uint8Array() }],
    });
    expect(clusters.map(({ service, endpoints }) => [service, endpoints.map((e) => e.instanceId)])).toEqual([
      ['a.A', ['places-1']],
      ['b.B', ['places-1', 'ranking@1']],
    ]);
  });

  it('takes a method as repeatable only if every schema in use says so', () => {
    const { clusters } = compile({
      endpoints: [endpointOf({ schemaDigest: 'old' }), endpointOf({ instanceId: 'places-2', schemaDigest: 'new' })],
      methodsOf: (digest) => (digest === 'old' ? [SEARCH, { ...VOTE, idempotency: 'unknown' }] : [SEARCH, VOTE]),
    });
    expect(clusters[0]?.methods.map((m) => [m.method, m.idempotency])).toEqual([
      ['Search', 'no_side_effects'],
      ['Vote', 'unknown'],
    ]);
  });

  it('brings the schemas of endpoints that do not take JSON, each once, as far as they are known', () => {
    const bytes = Uint8Array.of(1);
    const { schemas } = compile({
      endpoints: [
        endpointOf({ schemaDigest: 'a' }),
        endpointOf({ instanceId: 'places-2', schemaDigest: 'a' }),
        endpointOf({ instanceId: 'places-3', schemaDigest: 'not known' }),
        endpointOf({ instanceId: 'places-4', schemaDigest: '' }),
        endpointOf({ instanceId: 'places-5', schemaDigest: 'of one that does', codecs: ['proto', 'json'] }),
      ],
      schemaOf: (digest) => (digest === 'a' || digest.startsWith('of') ? bytes : undefined),
    });
    expect(schemas).toEqual([{ digest: 'a', bytes }]);
  });

  it('knows no policy of a service that is called as an object is made', () => {
    const facts = { defaultTimeoutMs: 7, maxAttempts: 2 };
    const endpoints = [endpointOf({ services: ['constructor', '__proto__'] })];
    const services = { '*': { policy: 'random', ...facts, ...NO_CHECKS } } as const;
    const { clusters } = compile({ endpoints, settings: { ...settings, services } });
    expect(clusters).toMatchObject([
      { service: '__proto__', ...facts },
      { service: 'constructor', ...facts },
    ]);
  });

  it('uses the policy of the service, then that of "*", then least request', () => {
    const named = { policy: 'random', defaultTimeoutMs: 7, maxAttempts: 2, ...NO_CHECKS } as const;
    const other = { policy: 'round-robin', defaultTimeoutMs: undefined, maxAttempts: undefined, ...NO_CHECKS } as const;
    const endpoints = [endpointOf({ services: ['a.A', 'b.B'] })];
    const both = compile({ endpoints, settings: { ...settings, services: { 'a.A': named, '*': other } } });
    expect(both.clusters.map((c) => [c.balancing.policy.name, c.defaultTimeoutMs])).toEqual([
      ['random', 7],
      ['round-robin', undefined],
    ]);
    expect(compile({ endpoints }).clusters.map((c) => c.balancing.policy.name)).toEqual([
      'least-request',
      'least-request',
    ]);
  });

  it('looks at the load of those services alone that have a limit', () => {
    const limited = {
      ...NO_CHECKS,
      policy: 'random',
      defaultTimeoutMs: undefined,
      maxAttempts: undefined,
      loadLimit: { maxUtilization: 0.9, afterMs: 5_000 },
    } as const;
    const endpoints = [endpointOf({ services: ['a.A', 'b.B'] })];
    const { clusters } = compile({ endpoints, settings: { ...settings, services: { 'a.A': limited } } });
    expect(clusters.map(({ service, readsLoad }) => [service, readsLoad])).toEqual([
      ['a.A', true],
      ['b.B', false],
    ]);
  });

  it('makes plain data, which crosses threads', () => {
    const snapshot = compile({ endpoints: [endpointOf()] });
    expect(structuredClone(snapshot)).toEqual(snapshot);
  });
});

describe('method cache', () => {
  it('treats a schema that cannot be read as one without methods, and says so once', () => {
    const said: string[] = [];
    const methodsOf = createMethodCache(
      () => Uint8Array.of(255, 255, 255),
      (message) => said.push(message),
    );
    expect(methodsOf('sha256:x')).toEqual([]);
    expect(methodsOf('sha256:x')).toEqual([]);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('sha256:x');
  });

  it('asks again for a schema that was not known yet', () => {
    let known = false;
    const methodsOf = createMethodCache(
      () => (known ? new Uint8Array() : undefined),
      () => {},
    );
    expect(methodsOf('sha256:x')).toBeUndefined();
    known = true;
    expect(methodsOf('sha256:x')).toEqual([]);
  });
});
