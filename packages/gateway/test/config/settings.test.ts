import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Policy } from '@bascule/schema/gen/bascule/config/v1/balancing_pb.ts';
import { describe, expect, test } from 'vitest';
import { frozenChanges } from '../../src/config/frozen.ts';
import { defaultSettings, parseConfig } from '../../src/config/load.ts';
import { applyOverrides } from '../../src/config/settings.ts';
import type { Settings } from '../../src/config/settings-types.ts';

function settingsOf(text: string): Settings {
  const result = parseConfig(text, '/etc/bascule/bascule.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.settings;
}

const DEFAULTS: Settings = {
  listener: { host: '127.0.0.1', port: 8080, staticDir: undefined, workers: 0, tls: undefined },
  operator: { port: 9090 },
  discovery: {
    registry: undefined,
    embeddedRegistry: true,
    registryAccessFile: undefined,
    endpoints: [],
    sources: [],
    absentLimitMs: undefined,
    lastKnownMaxAgeMs: 604_800_000,
    healthCheck: undefined,
    baseDir: '/etc/bascule',
    files: new Map(),
  },
  modules: {
    watch: [],
    maxHeapMib: 256,
    maxExternalMib: 256,
    loadTimeoutMs: 10_000,
    drainTimeoutMs: undefined,
    maxPackageBytes: 52_428_800,
  },
  calls: {
    maxMessageBytes: 4_194_304,
    defaultTimeoutMs: 15_000,
    maxTimeoutMs: 3_600_000,
    retry: {
      maxAttempts: 3,
      budgetPercent: 20,
      reservePerSecond: 10,
      budgetWindowMs: 10_000,
      maxBufferBytes: 262_144,
      holdHeadMs: 20,
    },
    connectTimeoutMs: 1000,
    maxOpenCalls: 1024,
    drainTimeoutMs: 30_000,
  },
  cors: { allowOrigins: [], allowCredentials: false, allowHeaders: [], exposeHeaders: [], maxAgeSeconds: 7200 },
  observe: { accessLog: 'stdout', exposeEndpoint: false, explain: 'operator' },
  routes: [],
  identity: undefined,
  sharedLimits: undefined,
  zone: '',
  stateDir: '/etc/bascule/.bascule',
  services: {},
};

/** What a health check has that says nothing of itself. */
const CHECK = {
  probe: { kind: 'by-protocol' },
  intervalMs: 10_000,
  jitterPercent: 10,
  timeoutMs: 1_000,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  maxChecksPerInterval: 1_000,
} as const;

describe('defaults', () => {
  test.each([
    ['an empty file', ''],
    ['comments alone', '# nothing\n\n'],
    ['null', 'null\n'],
    ['an empty group', '{}'],
    ['groups without fields', 'listener:\ncalls: {}\nservices:\ndiscovery:\n'],
  ])('%s', (_name, text) => {
    expect(settingsOf(text)).toEqual(DEFAULTS);
  });

  test('no file at all', () => {
    expect(defaultSettings('/etc/bascule')).toEqual(DEFAULTS);
  });

  test('stand in the comments of the .proto', () => {
    const path = join(import.meta.dirname, '../../../../proto/bascule/config/v1/config.proto');
    const proto = readFileSync(path, 'utf8');
    const stated: [RegExp, number | string][] = [
      [/Default (\d+); 0 takes a free one\.\s+optional uint32 port = 2/, DEFAULTS.listener.port],
      [/Default (\d+); 0 takes a free one\.\s+optional uint32 port = 1/, DEFAULTS.operator.port],
      [/Default "([^"]+)"\.\s+optional string host/, DEFAULTS.listener.host],
      [
        /Default (\d+) days; 0 takes none\.\s+google\.protobuf\.Duration last_known_max_age/,
        DEFAULTS.discovery.lastKnownMaxAgeMs / 86_400_000,
      ],
      [/Default (\d+) s\.\s+google\.protobuf\.Duration interval = 4/, CHECK.intervalMs / 1000],
      [/Default (\d+)\.\s+optional uint32 jitter_percent/, CHECK.jitterPercent],
      [/Default (\d+) s\.\s+google\.protobuf\.Duration timeout = 6/, CHECK.timeoutMs / 1000],
      [/Default (\d+); the first check[^\n]*\s+optional uint32 unhealthy_threshold/, CHECK.unhealthyThreshold],
      [/Default (\d+)\.\s+optional uint32 healthy_threshold/, CHECK.healthyThreshold],
      [/Default ([\d,]+)\.\s+optional uint32 max_checks_per_interval/, CHECK.maxChecksPerInterval.toLocaleString('en')],
      [/Default "([^"]+)"\. Asked by GET[^\n]*\s+optional string path = 1/, '/healthz'],
      [/Default (\d+) s\.\s+google\.protobuf\.Duration after = 2/, 5],
      [/Default (\d+)\.\s+optional uint32 max_heap_mib/, DEFAULTS.modules.maxHeapMib],
      [/Default (\d+)\.\s+optional uint32 max_external_mib/, DEFAULTS.modules.maxExternalMib],
      [/Default (\d+) s\.\s+google\.protobuf\.Duration load_timeout/, DEFAULTS.modules.loadTimeoutMs / 1000],
      [/Default (\d+) MiB\.\s+optional uint64 max_package_bytes/, DEFAULTS.modules.maxPackageBytes / 1_048_576],
      [/Default (\d+) MiB\.\s+optional uint32 max_message_bytes/, DEFAULTS.calls.maxMessageBytes / 1_048_576],
      [/Default (\d+) s\.\s+google\.protobuf\.Duration default_timeout/, DEFAULTS.calls.defaultTimeoutMs / 1000],
      [/Default (\d+) h\.\s+google\.protobuf\.Duration max_timeout/, DEFAULTS.calls.maxTimeoutMs / 3_600_000],
      [/Default (\d+) s\.\s+google\.protobuf\.Duration connect_timeout/, DEFAULTS.calls.connectTimeoutMs / 1000],
      [/Default (\d+)\.\s+optional uint32 max_open_calls/, DEFAULTS.calls.maxOpenCalls],
      [/Default (\d+) s\.\s+google\.protobuf\.Duration drain_timeout = 7/, DEFAULTS.calls.drainTimeoutMs / 1000],
      [/Default (\d+), at most 5\.\s+optional uint32 max_attempts = 1/, DEFAULTS.calls.retry.maxAttempts],
      [/Default (\d+)\.\s+optional double budget_percent/, DEFAULTS.calls.retry.budgetPercent],
      [/Default (\d+)\.\s+optional double reserve_per_second/, DEFAULTS.calls.retry.reservePerSecond],
      [/Default (\d+) s\.\s+google\.protobuf\.Duration budget_window/, DEFAULTS.calls.retry.budgetWindowMs / 1000],
      [/Default (\d+) KiB\.\s+optional uint32 max_buffer_bytes/, DEFAULTS.calls.retry.maxBufferBytes / 1024],
      [/Default (\d+) ms\.\s+google\.protobuf\.Duration hold_head/, DEFAULTS.calls.retry.holdHeadMs],
      [/Default (\d+) h\.\s+google\.protobuf\.Duration max_age/, DEFAULTS.cors.maxAgeSeconds / 3600],
      [/Default "([^"]+)"\.\s+optional string access_log/, DEFAULTS.observe.accessLog],
    ];
    for (const [pattern, value] of stated)
      expect(`${pattern}: ${pattern.exec(proto)?.[1]}`).toBe(`${pattern}: ${value}`);
  });
});

describe('what a file sets', () => {
  test('0 and false differ from unset', () => {
    const settings = settingsOf(
      'listener: {port: 0}\noperator: {port: 0}\ncalls: {retry: {budgetPercent: 0, holdHead: 0s}, drainTimeout: 0s}\n' +
        'discovery: {embeddedRegistry: false}\nmodules: {drainTimeout: 1.5s}\n',
    );
    expect(settings.listener.port).toBe(0);
    expect(settings.operator.port).toBe(0);
    expect(settings.calls.retry).toMatchObject({ budgetPercent: 0, holdHeadMs: 0 });
    expect(settings.calls.drainTimeoutMs).toBe(0);
    expect(settings.discovery.embeddedRegistry).toBe(false);
    expect(settings.modules.drainTimeoutMs).toBe(1500);
  });

  test('both spellings, anchors and JSON itself are read', () => {
    expect(settingsOf('{"calls": {"max_open_calls": 7, "connectTimeout": "0.020s"}}').calls).toMatchObject({
      maxOpenCalls: 7,
      connectTimeoutMs: 20,
    });
    const shared = settingsOf('services:\n  a.A: &slow {defaultTimeout: 60s, maxAttempts: 1}\n  a.B: *slow\n').services;
    expect(shared['a.B']).toMatchObject({
      balancing: undefined,
      calls: { defaultTimeoutMs: 60_000, retry: { maxAttempts: 1 } },
    });
  });

  test('paths are relative to the file; special log names are not paths', () => {
    const settings = settingsOf(
      'listener: {staticDir: dist}\nmodules: {watch: [mods/a, /abs/b]}\nobserve: {accessLog: log/access.jsonl}\nstateDir: ../state\n' +
        'discovery: {endpoints: [{address: "h:5", services: [a.B], schema: a.binpb}]}\n',
    );
    expect(settings.listener.staticDir).toBe('/etc/bascule/dist');
    expect(settings.modules.watch).toEqual(['/etc/bascule/mods/a', '/abs/b']);
    expect(settings.observe.accessLog).toBe('/etc/bascule/log/access.jsonl');
    expect(settings.stateDir).toBe('/etc/state');
    expect(settings.discovery.endpoints).toEqual(
      [{ host: 'h', port: 5, services: ['a.B'], weight: 1, schemaFile: '/etc/bascule/a.binpb' }].map((endpoint) => ({
        ...endpoint,
        protocol: 'grpc',
        codecs: ['proto'],
      })),
    );
    expect(settingsOf('observe: {accessLog: "off"}').observe.accessLog).toBe('off');
  });

  test('what an endpoint speaks and reads, and the files of TLS', () => {
    const settings = settingsOf(
      'listener: {tls: {certFile: tls/cert.pem, keyFile: /k.pem}}\n' +
        'discovery: {endpoints: [{address: "h:5", services: [a.B], protocol: connect+http1, codecs: [json]}]}\n',
    );
    expect(settings.listener.tls).toEqual({
      certFile: '/etc/bascule/tls/cert.pem',
      keyFile: '/k.pem',
      clientCaFile: undefined,
    });
    expect(settings.discovery.endpoints).toMatchObject([{ protocol: 'connect+http1', codecs: ['proto', 'json'] }]);
  });

  test('the address of an endpoint may be IPv6', () => {
    const addresses = ['"[2001:db8::1]:443"', 'Places.example:80', '10.0.0.1:5001'];
    const endpoints = addresses.map((address) => `{address: ${address}, services: [a.B]}`).join();
    expect(settingsOf(`discovery: {endpoints: [${endpoints}]}`).discovery.endpoints).toMatchObject([
      { host: '2001:db8::1', port: 443 },
      { host: 'Places.example', port: 80 },
      { host: '10.0.0.1', port: 5001 },
    ]);
  });

  test('a registry elsewhere switches the inner one off, unless it is asked for', () => {
    expect(settingsOf('discovery: {registry: "http://r:1"}').discovery.embeddedRegistry).toBe(false);
    expect(settingsOf('discovery: {registry: "http://r:1", embeddedRegistry: true}').discovery.embeddedRegistry).toBe(
      true,
    );
  });

  test('a source has its defaults, and paths relative to the file', () => {
    const { sources, embeddedRegistry } = settingsOf(`discovery:
  sources:
    - url: consul://127.0.0.1:8500/payments
    - url: dns+srv:///_grpc._tcp.places.example
      name: places
      rank: 3
      services: [a.B]
      protocol: connect
      codecs: [json]
      schema: a.binpb
      tokenFile: secrets/token
      username: me
      passwordFile: /p
      caFile: ca.pem
      certFile: c.pem
      keyFile: k.pem
`).discovery;
    const none = { token: undefined, password: undefined, ca: undefined, cert: undefined, key: undefined };
    expect(embeddedRegistry).toBe(false);
    expect(sources).toEqual([
      {
        name: 'consul://127.0.0.1:8500',
        url: 'consul://127.0.0.1:8500/payments',
        rank: 0,
        defaults: { services: [], protocol: 'grpc', codecs: ['proto'] },
        username: undefined,
        schemaFile: undefined,
        credentialFiles: none,
      },
      {
        name: 'places',
        url: 'dns+srv:///_grpc._tcp.places.example',
        rank: 3,
        defaults: { services: ['a.B'], protocol: 'connect', codecs: ['proto', 'json'] },
        username: 'me',
        schemaFile: '/etc/bascule/a.binpb',
        credentialFiles: {
          token: '/etc/bascule/secrets/token',
          password: '/p',
          ca: '/etc/bascule/ca.pem',
          cert: '/etc/bascule/c.pem',
          key: '/etc/bascule/k.pem',
        },
      },
    ]);
  });

  test('sources without a host are named by what stands in its place', () => {
    const names = settingsOf(`discovery:
  sources:
    - url: env:BACKENDS
    - url: file:///etc/e.yaml
    - url: file:lists/e.yaml?x=y
    - url: static:a:1,b:2
    - url: etcd://h1:2379,h2:2379/payments
`);
    expect(names.discovery.sources.map(({ name }) => name)).toEqual([
      'env:BACKENDS',
      'file:///etc/e.yaml',
      'file:lists/e.yaml',
      'static:a:1_b:2',
      'etcd://h1:2379_h2:2379',
    ]);
  });

  test('health checks and load limits, of all services and of one', () => {
    const { discovery, services } = settingsOf(`discovery:
  absentLimit: 60s
  lastKnownMaxAge: 0s
  healthCheck: {}
services:
  a.A: {healthCheck: {grpc: {service: "", watch: true}, interval: 0.5s}}
  a.B: {healthCheck: {http: {path: /up, port: 81}, interval: 30s, timeout: 2s, jitterPercent: 0}}
  a.C: {healthCheck: {tcp: {}, unhealthyThreshold: 1, healthyThreshold: 9, maxChecksPerInterval: 7}}
  a.D: {loadLimit: {maxUtilization: 0.9}}
  a.E: {loadLimit: {maxUtilization: 1.5, after: 0s}}
`);
    expect(discovery).toMatchObject({ absentLimitMs: 60_000, lastKnownMaxAgeMs: 0, healthCheck: CHECK });
    const checks = ['a.A', 'a.B', 'a.C'].map((name) => services[name]?.healthCheck);
    expect(checks).toEqual([
      { ...CHECK, probe: { kind: 'grpc', service: '', watch: true }, intervalMs: 500, timeoutMs: 500 },
      {
        ...CHECK,
        probe: { kind: 'http', path: '/up', port: 81 },
        intervalMs: 30_000,
        timeoutMs: 2_000,
        jitterPercent: 0,
      },
      { ...CHECK, probe: { kind: 'tcp' }, unhealthyThreshold: 1, healthyThreshold: 9, maxChecksPerInterval: 7 },
    ]);
    expect(services['a.D']).toMatchObject({
      healthCheck: undefined,
      loadLimit: { maxUtilization: 0.9, afterMs: 5_000 },
    });
    expect(services['a.E']?.loadLimit).toEqual({ maxUtilization: 1.5, afterMs: 0 });
  });

  test('each policy has its name, and takes what is its own', () => {
    const names = Object.keys(Policy).filter((name) => name !== 'UNSPECIFIED');
    const details = (name: string): string => {
      if (/HASH|MAGLEV|RENDEZVOUS/.test(name)) return 'boundPercent: 150';
      return /LEAST|PEAK/.test(name) ? 'choiceCount: 5' : '';
    };
    const lines = names.map((name) => `  s.${name}: {policy: POLICY_${name}, balancing: {${details(name)}}}`);
    const { services } = settingsOf(['services:', ...lines, '  s.None: {}', '  s.Details: {balancing: {}}'].join('\n'));
    const specs = names.map((name) => services[`s.${name}`]?.balancing?.policy);
    expect(specs.map((spec) => spec?.name)).toEqual(names.map((name) => name.toLowerCase().replaceAll('_', '-')));
    for (const spec of specs) {
      if (spec !== undefined && 'choiceCount' in spec) expect(spec.choiceCount).toBe(5);
      if (spec !== undefined && /hash|maglev|rendezvous/.test(spec.name))
        expect(spec).toHaveProperty('boundPercent', 150);
    }
    expect(services['s.None']?.balancing).toBeUndefined();
    expect(services['s.Details']?.balancing?.policy?.name).toBe('least-request');
  });

  test('settings cross threads', () => {
    expect(structuredClone(DEFAULTS)).toEqual(defaultSettings('/etc/bascule'));
  });
});

describe('overrides', () => {
  test('win over the file and leave the rest', () => {
    const settings = applyOverrides(DEFAULTS, {
      port: 1,
      operatorPort: 2,
      workers: 3,
      stateDir: '/s',
      registry: 'http://r:1',
    });
    expect(settings.listener).toEqual({ ...DEFAULTS.listener, port: 1, workers: 3 });
    expect(settings.operator.port).toBe(2);
    expect(settings.stateDir).toBe('/s');
    expect(settings.discovery).toMatchObject({ registry: 'http://r:1', embeddedRegistry: false });
    expect(applyOverrides(DEFAULTS, {})).toEqual(DEFAULTS);
  });
});

describe('what needs a restart', () => {
  test.each([
    ['listener: {host: "0.0.0.0"}', ['listener.host']],
    ['listener: {port: 1, workers: 2}', ['listener.port', 'listener.workers']],
    ['listener: {tls: {certFile: a, keyFile: b}}', ['listener.tls']],
    ['operator: {port: 1}', ['operator.port']],
    ['discovery: {lastKnownMaxAge: 1s}', ['discovery.lastKnownMaxAge']],
    ['stateDir: elsewhere', ['stateDir']],
    ['discovery: {absentLimit: 1s, registryAccessFile: a}', ['discovery.registryAccessFile', 'discovery.absentLimit']],
    // Naming a source switches the registry inside off, unless it is written down.
    ['discovery: {sources: [{url: "http://a:1"}]}', ['discovery.embeddedRegistry']],
    ['discovery: {embeddedRegistry: true, sources: [{url: "http://a:1"}]}', []],
    ['listener: {staticDir: a}\ncalls: {maxOpenCalls: 1}\ncors: {allowOrigins: ["*"]}\nservices: {"*": {}}', []],
  ])('%s', (text, fields) => {
    expect(frozenChanges(DEFAULTS, settingsOf(text)).map(({ path }) => path.join('.'))).toEqual(fields);
  });
});
