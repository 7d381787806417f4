import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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
  discovery: { registry: undefined, embeddedRegistry: true, endpoints: [], resyncGraceMs: 30_000 },
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
  observe: { accessLog: 'stdout', exposeEndpoint: false },
  stateDir: '/etc/bascule/.bascule',
  services: {},
};

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
      [/Default (\d+) s\.\s+google\.protobuf\.Duration resync_grace/, DEFAULTS.discovery.resyncGraceMs / 1000],
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
    expect(shared['a.B']).toEqual({ policy: 'least-request', defaultTimeoutMs: 60_000, maxAttempts: 1 });
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

  test('a registry elsewhere switches the inner one off, unless it is asked for', () => {
    expect(settingsOf('discovery: {registry: "http://r:1"}').discovery.embeddedRegistry).toBe(false);
    expect(settingsOf('discovery: {registry: "http://r:1", embeddedRegistry: true}').discovery.embeddedRegistry).toBe(
      true,
    );
  });

  test('each policy has its name', () => {
    const { services } = settingsOf(
      'services: {a.A: {policy: POLICY_ROUND_ROBIN}, a.B: {policy: POLICY_RANDOM}, a.C: {policy: POLICY_LEAST_REQUEST}, "*": {}}',
    );
    expect(Object.values(services).map((s) => s.policy)).toEqual([
      'round-robin',
      'random',
      'least-request',
      'least-request',
    ]);
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
    ['operator: {port: 1}', ['operator.port']],
    ['stateDir: elsewhere', ['stateDir']],
    ['listener: {staticDir: a}\ncalls: {maxOpenCalls: 1}\ncors: {allowOrigins: ["*"]}\nservices: {"*": {}}', []],
  ])('%s', (text, fields) => {
    expect(frozenChanges(DEFAULTS, settingsOf(text))).toEqual(fields);
  });
});
