import { digestOf } from '@bascule/schema';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { DiscoverySettings } from '../../src/config/settings-types.ts';
import { planSources, planStatic } from '../../src/control/source-plan.ts';

function settingsOf(text: string, files: Readonly<Record<string, string>> = {}): DiscoverySettings {
  const parsed = parseConfig(text, '/etc/bascule.yaml');
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  const bytes = Object.entries(files).map(([file, content]) => [file, new TextEncoder().encode(content)] as const);
  return { ...parsed.settings.discovery, files: new Map(bytes) };
}

describe('planned sources', () => {
  it('carry secrets without what editors end files with, and descriptors under their digest', () => {
    const files = {
      '/t': ' token \n',
      '/p': ' pass word \r\n',
      '/ca': 'A\n',
      '/c': 'C\n',
      '/k': 'K\n',
      '/s': 'schema',
    };
    const text =
      'discovery: {sources: [{url: "etcd://a:1", username: me, tokenFile: /t, passwordFile: /p, caFile: /ca, certFile: /c, keyFile: /k, schema: /s}]}';
    const schema = new TextEncoder().encode('schema');
    expect(planSources(settingsOf(text, files), 'own')).toEqual([
      {
        path: ['discovery', 'sources', 0, 'url'],
        plan: {
          name: 'etcd://a:1',
          rank: 0,
          url: 'etcd://a:1',
          credentials: {
            token: 'token',
            username: 'me',
            password: ' pass word ',
            tls: { ca: 'A\n', cert: 'C\n', key: 'K\n' },
          },
          defaults: { services: [], protocol: 'grpc', codecs: ['proto'], schemaDigest: digestOf(schema) },
          schemas: new Map([[digestOf(schema), schema]]),
        },
      },
    ]);
  });

  it('are nothing but what is written: no token for systems that were given none', () => {
    const [placed] = planSources(settingsOf('discovery: {sources: [{url: "http://a:1"}]}'), 'own');
    expect(placed?.plan.credentials).toEqual({});
  });

  it('begin with the registry, which shares its token with the gateway', () => {
    const [registry, other] = planSources(
      settingsOf('discovery: {registry: "http://r:1", sources: [{url: "http://a:1"}]}'),
      'own',
    );
    expect(registry).toMatchObject({
      path: ['discovery', 'registry'],
      plan: { name: 'http://r:1', url: 'http://r:1', rank: 0, credentials: { token: 'own' } },
    });
    expect(other?.plan.name).toBe('http://a:1');
  });
});

describe('a registry of the command line', () => {
  it('that is a source of the file as well is refused', () => {
    const settings = settingsOf('discovery: {sources: [{url: "http://r:1"}]}');
    expect(() => planSources({ ...settings, registry: 'http://r:1' }, 'own')).toThrow(
      'discovery.registry: is a source as well (http://r:1). Name it once',
    );
  });
});

describe('endpoints of the configuration', () => {
  it('are endpoints with all that there is to know', () => {
    const text =
      'discovery: {endpoints: [{address: "a:1", services: [x.Y], weight: 3, schema: /s, protocol: connect, codecs: [json]}, {address: "b:2", services: [x.Y]}]}';
    const { endpoints, schemas } = planStatic(settingsOf(text, { '/s': 'schema' }));
    const digest = digestOf(new TextEncoder().encode('schema'));
    expect(endpoints).toEqual([
      {
        instanceId: 'static/a:1',
        incarnation: 1,
        host: 'a',
        port: 1,
        protocol: 'connect',
        codecs: ['proto', 'json'],
        weight: 3,
        priority: 0,
        zone: '',
        services: ['x.Y'],
        schemaDigest: digest,
        moduleVersion: '',
        labels: {},
      },
      expect.objectContaining({ instanceId: 'static/b:2', protocol: 'grpc', weight: 1, schemaDigest: '' }),
    ]);
    expect([...schemas.keys()]).toEqual([digest]);
  });
});
