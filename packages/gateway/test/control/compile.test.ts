import { create, fromJsonString } from '@bufbuild/protobuf';
import type { MethodFacts } from '@bascule/core';
import { ConfigSchema } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../src/config/settings.ts';
import type { ServiceSettings } from '../../src/config/settings-types.ts';
import { compileSnapshot } from '../../src/control/compile.ts';
import { createSchemaCache } from '../../src/control/schema-cache.ts';
import { endpointOf, SEARCH } from '../support.ts';

const settings = resolveSettings(create(ConfigSchema), '/tmp');
const NOTHING_SAID = settingsOf('{}');

/** What a service's part of the configuration comes to. */
function settingsOf(json: string): ServiceSettings {
  const config = fromJsonString(ConfigSchema, `{"services": {"a.A": ${json}}}`);
  return resolveSettings(config, '/tmp').services['a.A'] as ServiceSettings;
}
const VOTE: MethodFacts = { ...SEARCH, method: 'Vote', idempotency: 'idempotent' };

function compile(input: Partial<Parameters<typeof compileSnapshot>[0]>) {
  return compileSnapshot({
    revision: 1,
    settings,
    settingsRevision: 1,
    operatorTokenDigest: '',
    fieldOf: () => undefined,
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
    const endpoints = [endpointOf({ services: ['constructor', '__proto__'] })];
    const services = { '*': settingsOf('{"policy": "POLICY_RANDOM", "defaultTimeout": "7s"}') };
    const { clusters } = compile({ endpoints, settings: { ...settings, services } });
    expect(clusters.map((c) => [c.service, c.balancing.policy.name, c.policy.defaultTimeoutMs])).toEqual([
      ['__proto__', 'random', 7_000],
      ['constructor', 'random', 7_000],
    ]);
  });

  it('uses what the service says, then what "*" says, then least request', () => {
    const services = {
      'a.A': settingsOf('{"policy": "POLICY_RANDOM", "maxAttempts": 2}'),
      '*': settingsOf('{"policy": "POLICY_MAGLEV", "defaultTimeout": "7s", "limits": {"maxCalls": 5}}'),
    };
    const endpoints = [endpointOf({ services: ['a.A', 'b.B'] })];
    const { clusters } = compile({ endpoints, settings: { ...settings, services } });
    const said = clusters.map(({ balancing, policy, limits }) => {
      return [balancing.policy.name, policy.defaultTimeoutMs, policy.retry?.maxAttempts, limits.maxCalls];
    });
    expect(said).toEqual([
      ['random', 7_000, 2, 5],
      ['maglev', 7_000, 3, 5],
    ]);
    const { clusters: plain } = compile({ endpoints });
    expect(plain.map(({ balancing }) => balancing.policy.name)).toEqual(['least-request', 'least-request']);
  });

  it('looks at the load of those services alone that have a limit', () => {
    const limited = { ...NOTHING_SAID, loadLimit: { maxUtilization: 0.9, afterMs: 5_000 } };
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

describe('schema cache', () => {
  it('treats a schema that cannot be read as one without methods, and says so once', () => {
    const said: string[] = [];
    const schemas = createSchemaCache(
      () => Uint8Array.of(255, 255, 255),
      (message) => said.push(message),
    );
    expect(schemas.methodsOf('sha256:x')).toEqual([]);
    expect(schemas.methodsOf('sha256:x')).toEqual([]);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('sha256:x');
  });

  it('asks again for a schema that was not known yet', () => {
    let known = false;
    const schemas = createSchemaCache(
      () => (known ? new Uint8Array() : undefined),
      () => {},
    );
    expect(schemas.methodsOf('sha256:x')).toBeUndefined();
    known = true;
    expect(schemas.methodsOf('sha256:x')).toEqual([]);
  });
});
