import { fromJson } from '@bufbuild/protobuf';
import { schemaOf } from '@bascule/schema';
import { ConfigSchema } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../src/config/settings.ts';
import { compileSnapshot } from '../../src/control/compile.ts';
import { createSchemaCache } from '../../src/control/schema-cache.ts';
import { findUnknownNames } from '../../src/control/unknown-names.ts';
import { endpointOf } from '../support.ts';

const SERVICE = RegistryService.typeName;
const HASHING = { policy: 'POLICY_MAGLEV' };
const keyOf = (field: string): object => ({ affinity: { keys: [{ field }] } });

/** What is said of a configuration while the service is there, its schema known or not. */
function namesIn(config: object, isKnown = true): string[] {
  const schema = isKnown ? schemaOf([RegistryService]) : undefined;
  const settings = resolveSettings(fromJson(ConfigSchema, config as never), '/tmp');
  const schemas = createSchemaCache(
    () => schema,
    () => {},
  );
  const snapshot = compileSnapshot({
    revision: 1,
    settings,
    settingsRevision: 1,
    operatorTokenDigest: '',
    endpoints: [endpointOf({ services: [SERVICE], schemaDigest: 'sha256:a' })],
    groups: [],
    methodsOf: (digest) => schemas.methodsOf(digest),
    fieldOf: (...where) => schemas.fieldOf(...where),
    schemaOf: () => schema,
  });
  return findUnknownNames(settings, snapshot.clusters);
}

describe('names without effect', () => {
  it.each([
    [
      'methods of a service',
      { services: { [SERVICE]: { methods: { Wach: { criticality: 'CRITICALITY_CRITICAL' } } } } },
    ],
    ['methods of routes', { routes: [{ service: SERVICE, method: 'Wach', calls: { criticality: 1 } }] }],
  ])('are told: %s', (_, config) => {
    expect(namesIn(config)).toEqual([expect.stringContaining(`${SERVICE} has no method "Wach"; it has `)]);
    expect(namesIn(config)[0]).toContain('Watch');
    expect(namesIn(config, false), 'nothing is known of the service').toEqual([]);
  });

  it('are told: fields of keys', () => {
    const config = (field: string): object => ({
      services: { [SERVICE]: { ...HASHING, methods: { Watch: keyOf(field) } } },
    });
    expect(namesIn(config('nope.id'))).toEqual([
      `services.${SERVICE}.methods.Watch: a request has no field "nope.id", so it is no key`,
    ]);
    expect(namesIn(config('namespace'))).toEqual([]);
  });

  it('are none where all is there, nor of services that are not', () => {
    expect(namesIn({})).toEqual([]);
    const methods = { Watch: { criticality: 'CRITICALITY_CRITICAL' } };
    expect(namesIn({ services: { [SERVICE]: { methods }, 'x.Y': { methods: { Nope: {} } } } })).toEqual([]);
  });
});
