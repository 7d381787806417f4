import { execFileSync } from 'node:child_process';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TEST_TLS } from '@bascule/testing/tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatConfigError } from '../../src/config/error.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';

/** Each text with its errors: `line:column field: words of the message / words of the advice`. */
const REFUSED: readonly (readonly [name: string, text: string, ...errors: RegExp[]])[] = [
  [
    'a port too large',
    'listener:\n  port: 70000\n',
    /^f\.yaml:2:9 listener\.port: must be at most 65535 \(got 70000\)\. Choose a port/,
  ],
  [
    'a word for a number',
    'listener:\n  port: http\n',
    /^f\.yaml:2:9 listener\.port: must be a whole number .* \(got "http"\)/,
  ],
  [
    'a fraction for a whole number',
    'listener: {workers: 1.5}',
    /^f\.yaml:1:21 listener\.workers: must be a whole number/,
  ],
  [
    'a negative number',
    'calls:\n  maxOpenCalls: -1\n',
    /^f\.yaml:2:17 calls\.maxOpenCalls: must be a whole number .*got -1/,
  ],
  [
    'a number without end',
    'calls: {retry: {reservePerSecond: .inf}}',
    /^f\.yaml:1:35 calls\.retry\.reservePerSecond: must be a number \(got Infinity\)/,
  ],
  [
    'an aggression that would do nothing',
    'services: {a.B: {calls: {admission: {aggression: 0.5}}}}',
    /aggression: must be at least 1 \(got 0\.5\)/,
  ],
  ['a number for text', 'stateDir: 7', /^f\.yaml:1:11 stateDir: must be text \(got 7\)\. Put it in quotes/],
  [
    'a word for a bool',
    'cors:\n  allowCredentials: "yes"',
    /^f\.yaml:2:21 cors\.allowCredentials: must be true or false/,
  ],
  [
    'an unknown field',
    'listener:\n  prot: 80\n',
    /^f\.yaml:2:3 listener\.prot: is not a known field\. Did you mean "port"\?/,
  ],
  ['an unknown field in snake case', 'calls:\n  max_open_cals: 3', /^f\.yaml:2:3 .*Did you mean "maxOpenCalls"\?/],
  [
    'an unknown field near nothing',
    'zebra: 1',
    /^f\.yaml:1:1 zebra: is not a known field\. Fields here are listener, operator, discovery/,
  ],
  [
    'a field in two spellings',
    'observe:\n  access_log: "off"\n  accessLog: "off"',
    /^f\.yaml:3:3 observe\.accessLog: stands twice/,
  ],
  ['a duplicate key', 'listener:\n  port: 1\n  port: 2\n', /^f\.yaml:3:3 Map keys must be unique\. Keep one/],
  ['a group that is a list', 'listener:\n  - port: 1\n', /^f\.yaml:2:3 listener: must be a group of fields/],
  ['a file that is a list', '- listener\n', /^f\.yaml:1:1 must be a group of fields/],
  ['a file that is a word', 'hello\n', /^f\.yaml:1:1 must be a group of fields/],
  ['a list that is a word', 'modules:\n  watch: src\n', /^f\.yaml:2:10 modules\.watch: must be a list \(got "src"\)/],
  ['an empty list item', 'modules:\n  watch:\n    -\n', /^f\.yaml:3:5 modules\.watch\[0\]: is empty/],
  ['a map that is a list', 'services: [a.B]', /^f\.yaml:1:11 services: must be a group of names/],
  [
    'a duration without unit',
    'calls:\n  defaultTimeout: 15\n',
    /^f\.yaml:2:19 calls\.defaultTimeout: must be a time .* \(got 15\)\. Write "15s"/,
  ],
  [
    'a duration in milliseconds',
    'calls: {connectTimeout: 500ms}',
    /^f\.yaml:1:25 calls\.connectTimeout: .*Write "0\.5s"/,
  ],
  ['a duration in minutes', 'calls:\n  drainTimeout: 2m', /Write "120s"/],
  ['a duration of nonsense', 'calls:\n  drainTimeout: soon', /Write the seconds and an "s"/],
  ['a duration of 0', 'modules:\n  loadTimeout: 0s\n', /^f\.yaml:2:16 modules\.loadTimeout: must be more than 0s/],
  [
    'a negative duration',
    'discovery:\n  absentLimit: -1s\n',
    /^f\.yaml:2:16 discovery\.absentLimit: must be from 0s to 86400s \(got "-1s"\)/,
  ],
  [
    'a range left below',
    'modules:\n  maxHeapMib: 1\n',
    /^f\.yaml:2:15 modules\.maxHeapMib: must be from 16 to 16384 \(got 1\)/,
  ],
  [
    'a rule on a 64-bit number',
    'modules:\n  maxPackageBytes: 5\n',
    /^f\.yaml:2:20 modules\.maxPackageBytes: must be at least 1024 \(got 5\)/,
  ],
  [
    'a rule in snake case',
    'calls:\n  max_message_bytes: 0\n',
    /^f\.yaml:2:22 calls\.maxMessageBytes: must be at least 1 \(got 0\)/,
  ],
  [
    'too many attempts',
    'calls:\n  retry:\n    maxAttempts: 6\n',
    /^f\.yaml:3:18 calls\.retry\.maxAttempts: must be from 1 to 5/,
  ],
  [
    'a registry with a path',
    'discovery:\n  registry: http://a:1/x\n',
    /^f\.yaml:2:13 discovery\.registry: must be "http:\/\/host:port"/,
  ],
  [
    'an address without port',
    'discovery:\n  endpoints:\n    - address: a\n      services: [a.B]\n',
    /^f\.yaml:3:16 discovery\.endpoints\[0\]\.address: must be "host:port"/,
  ],
  [
    'an address with port 0',
    'discovery:\n  endpoints:\n    - {address: "a:0", services: [a.B]}\n',
    /^f\.yaml:3:17 discovery\.endpoints\[0\]\.address: must have a port from 1/,
  ],
  [
    'an endpoint without services',
    'discovery:\n  endpoints:\n    - address: a:1\n',
    /^f\.yaml:3:7 discovery\.endpoints\[0\]\.services: is missing\. Name the services/,
  ],
  [
    'a bad service of an endpoint',
    'discovery:\n  endpoints:\n    - {address: "a:1", services: [a.B, 1x]}\n',
    /^f\.yaml:3:40 discovery\.endpoints\[0\]\.services\[1\]: must be a fully qualified/,
  ],
  [
    'an address that stands twice',
    'discovery:\n  endpoints:\n    - {address: "a:1", services: [a.B]}\n    - {address: "a:1", services: [a.C]}\n',
    /^f\.yaml:4:17 discovery\.endpoints\[1\]\.address: is that of discovery\.endpoints\[0\] as well\. Put the services/,
  ],
  [
    'an address that stands twice, once in upper case',
    'discovery:\n  endpoints:\n    - {address: "a:1", services: [a.B]}\n    - {address: "A:1", services: [a.C]}\n',
    /^f\.yaml:4:17 discovery\.endpoints\[1\]\.address: is that of discovery\.endpoints\[0\] as well\. Put the services/,
  ],
  [
    'an address that is no IPv6',
    'discovery:\n  endpoints:\n    - {address: "[::1::2]:5", services: [a.B]}\n',
    /^f\.yaml:3:17 discovery\.endpoints\[0\]\.address: is no IPv6 address \(got "\[::1::2\]:5"\)\. Write it as/,
  ],
  [
    'an IPv6 address without brackets',
    'discovery:\n  endpoints:\n    - {address: "::1:5", services: [a.B]}\n',
    /^f\.yaml:3:17 discovery\.endpoints\[0\]\.address: must be "host:port"/,
  ],
  [
    'a source that is no URL',
    'discovery:\n  sources:\n    - url: consul\n',
    /^f\.yaml:3:12 discovery\.sources\[0\]\.url: must be a URL\. Write it as "consul:\/\/127/,
  ],
  [
    'a source without a URL',
    'discovery:\n  sources:\n    - name: a\n',
    /^f\.yaml:3:7 discovery\.sources\[0\]\.url: is missing\. Write it as/,
  ],
  [
    'a password in a URL, which is not shown',
    'discovery:\n  sources:\n    - url: consul://me:pass@a\n',
    /^f\.yaml:3:12 discovery\.sources\[0\]\.url: must not hold a password\. Write it to a file, and name that as passwordFile\.$/,
  ],
  [
    'a user in a URL',
    'discovery:\n  sources:\n    - url: consul://me@a\n',
    /^f\.yaml:3:12 discovery\.sources\[0\]\.url: must not hold a user\. Write it as username/,
  ],
  [
    'a token in a query',
    'discovery:\n  sources:\n    - url: consul://a?token=x1\n',
    /^f\.yaml:3:12 discovery\.sources\[0\]\.url: must not hold a secret \("token"\)\. Write it to a file/,
  ],
  [
    'two sources of one host without names',
    'discovery:\n  sources:\n    - url: consul://a/x\n    - url: consul://a/y\n',
    /^f\.yaml:4:7 discovery\.sources\[1\]\.name: is that of discovery\.sources\[0\] as well \("consul:\/\/a"\)\. Give it/,
  ],
  [
    'a source that is the registry once more',
    'discovery:\n  registry: http://a:1\n  sources:\n    - url: http://a:1/x\n',
    /^f\.yaml:4:7 discovery\.sources\[0\]\.name: is that of discovery\.registry as well/,
  ],
  [
    'a name that is taken by what has none',
    'discovery:\n  sources:\n    - url: consul://a\n      name: static\n',
    /^f\.yaml:4:13 discovery\.sources\[0\]\.name: cannot be "static"/,
  ],
  [
    'a name with a line break',
    'discovery:\n  sources:\n    - url: consul://a\n      name: "a\\nb"\n',
    /^f\.yaml:4:13 discovery\.sources\[0\]\.name: must be letters, digits/,
  ],
  [
    'a protocol that nobody speaks',
    'discovery:\n  sources:\n    - url: consul://a\n      protocol: soap\n',
    /^f\.yaml:4:17 discovery\.sources\[0\]\.protocol: must be in list/,
  ],
  [
    'a key without its certificate',
    'discovery:\n  sources:\n    - url: consul://a\n      keyFile: k\n',
    /^f\.yaml:4:16 discovery\.sources\[0\]\.keyFile: needs certFile beside it/,
  ],
  [
    'access to a registry that is not there',
    'discovery:\n  registry: http://a:1\n  registryAccessFile: a\n',
    /^f\.yaml:3:23 discovery\.registryAccessFile: is about the registry inside the gateway, which is off/,
  ],
  [
    'a check of two kinds',
    'discovery:\n  healthCheck:\n    tcp: {}\n    http: {}\n',
    /^f\.yaml:4:5 discovery\.healthCheck\.http: cannot stand beside tcp\. Keep one/,
  ],
  [
    'a check without a word',
    'discovery:\n  healthCheck:\n',
    /^f\.yaml:2:3 discovery\.healthCheck: is empty\. Write \{\} to take its defaults/,
  ],
  [
    'a kind of check without a word',
    'services:\n  a.B:\n    healthCheck: {tcp: }\n',
    /^f\.yaml:3:19 services\["a\.B"\]\.healthCheck\.tcp: is empty\. Write \{\}/,
  ],
  [
    'a check that outlasts its interval',
    'services:\n  a.B:\n    healthCheck: {interval: 1s, timeout: 2s}\n',
    /^f\.yaml:3:42 services\["a\.B"\]\.healthCheck\.timeout: must be at most the interval, 1s \(is 2s\)/,
  ],
  [
    'a path of a check with a space',
    'services:\n  a.B:\n    healthCheck: {http: {path: "/a b"}}\n',
    /^f\.yaml:3:32 services\["a\.B"\]\.healthCheck\.http\.path: must begin with "\/" and hold no spaces/,
  ],
  [
    'a load limit without a load',
    'services:\n  a.B:\n    loadLimit: {after: 1s}\n',
    /^f\.yaml:3:16 services\["a\.B"\]\.loadLimit\.maxUtilization: must be set\. As in 0\.9/,
  ],
  [
    'TLS without a word',
    'services:\n  a.B: {tls: }\n',
    /^f\.yaml:2:9 services\["a\.B"\]\.tls: is empty\. Write \{\} to take its defaults/,
  ],
  [
    'a file of TLS by another name',
    'services:\n  a.B: {tls: {cafile: x}}\n',
    /^f\.yaml:2:15 services\["a\.B"\]\.tls\.cafile: is not a known field\. Did you mean "caFile"\?/,
  ],
  [
    'a certificate for backends without its key',
    'services:\n  "*": {tls: {certFile: c}}\n',
    /^f\.yaml:2:25 services\["\*"\]\.tls\.certFile: needs keyFile beside it\. Name both, or neither\./,
  ],
  [
    'a name with a port',
    'services:\n  a.B: {tls: {serverName: "a.b:443"}}\n',
    /^f\.yaml:2:27 services\["a\.B"\]\.tls\.serverName: must be a host name or an address, .*got "a\.b:443"\)\. Write the name/,
  ],
  [
    'an authority that nobody is held against',
    'services:\n  a.B: {tls: {caFile: c, insecureSkipVerify: true}}\n',
    /^f\.yaml:2:46 services\["a\.B"\]\.tls\.insecureSkipVerify: cannot be true beside caFile/,
  ],
  [
    'an address with a scheme that is none',
    'discovery:\n  endpoints:\n    - {address: "http://a:5", services: [a.B]}\n',
    /^f\.yaml:3:17 discovery\.endpoints\[0\]\.address: must be "host:port" or "https:\/\/host:port"/,
  ],
  ['an empty string', 'stateDir: ""\n', /^f\.yaml:1:11 stateDir: must not be empty \(got ""\)/],
  [
    'a policy in short',
    'services:\n  a.B:\n    policy: random\n',
    /^f\.yaml:3:13 services\["a\.B"\]\.policy: must be one of .*Did you mean POLICY_RANDOM\?/,
  ],
  [
    'a policy that does not exist',
    'services:\n  a.B: {policy: 99}\n',
    /^f\.yaml:2:17 services\["a\.B"\]\.policy: must be one of the defined/,
  ],
  [
    'a table that is no prime',
    'services:\n  a.B: {policy: POLICY_MAGLEV, balancing: {tableSize: 1000}}\n',
    /services\["a\.B"\]\.balancing\.tableSize: must be a prime \(got 1000\)/,
  ],
  [
    'zones without a place of our own',
    'services:\n  a.B: {balancing: {zoneAware: {}}}\n',
    /balancing\.zoneAware: needs to know where this gateway runs\. Write "zone:"/,
  ],
  [
    'two ways to choose a subset',
    'services:\n  a.B: {balancing: {aperture: {peerCount: 2}, randomSubset: {size: 1}}}\n',
    /randomSubset: cannot stand beside aperture/,
  ],
  [
    'a place beyond the last',
    'services:\n  a.B: {balancing: {aperture: {peerIndex: 2, peerCount: 2}}}\n',
    /peerIndex: must be below peerCount, 2 \(is 2\)/,
  ],
  [
    'a claim that nobody reads',
    'services:\n  a.B: {calls: {rateLimits: [{perSecond: 1, key: {claim: sub}}]}}\n',
    /names a claim, but no tokens are read\. Add "identity"/,
  ],
  [
    'a shared limit without a place to count',
    'routes:\n  - headers: {x: "1"}\n    calls: {rateLimits: [{perSecond: 1, shared: true}]}\n',
    /^f\.yaml:3:.* routes\[0\]\.calls: has a shared rate limit, but nowhere to count it/,
  ],
  [
    'a mirror of itself',
    'services:\n  a.B: {calls: {mirror: {service: a.B}}}\n',
    /mirror\.service: is the service itself/,
  ],
  [
    'a route without a condition',
    'routes:\n  - name: a\n    calls: {defaultTimeout: 1s}\n',
    /^f\.yaml:2:5 routes\[0\]: has no condition, and would hold for all calls\. Add service, method or headers/,
  ],
  [
    'a status that does not exist',
    'services:\n  a.B: {methods: {Get: {retry: {codes: [UNAVAILABLE]}}}}\n',
    /methods\.Get\.retry\.codes\[0\]: must be in list/,
  ],
  ['a key without a place', 'services:\n  a.B: {calls: {affinity: {keys: [{}]}}}\n', /affinity\.keys\[0\]/],
  ['a breaker without a word', 'services:\n  a.B: {calls: {breaker: }}\n', /breaker: is empty\. Write \{\}/],
  ['a service that is no name', 'services:\n  a/B: {}\n', /^f\.yaml:2:8 services\["a\/B"\]: .*is not a service name/],
  ['a service without a policy', 'services:\n  a.B:\n', /^f\.yaml:2:3 services\["a\.B"\]: is empty/],
  [
    'an origin with a path',
    'cors:\n  allowOrigins: ["https://a.example/x"]\n',
    /^f\.yaml:2:18 cors\.allowOrigins\[0\]: must be "\*" or an origin/,
  ],
  [
    'credentials for all',
    'cors:\n  allowOrigins: ["*"]\n  allowCredentials: true\n',
    /^f\.yaml:3:21 cors\.allowCredentials: cannot be true/,
  ],
  [
    'a line break in a field name',
    'cors:\n  exposeHeaders: ["a\\r\\nb"]\n',
    /^f\.yaml:2:19 cors\.exposeHeaders\[0\]: must be a field name/,
  ],
  [
    'a default above the longest',
    'calls:\n  maxTimeout: 10s\n',
    /calls\.defaultTimeout: must be at most calls\.maxTimeout, 10s \(is 15s\)/,
  ],
  [
    'a service timeout above the longest',
    'services:\n  a.B: {defaultTimeout: 7200s}',
    /^f\.yaml:2:25 services\["a\.B"\]\.defaultTimeout: must be at most/,
  ],
  ['one port for both', 'listener:\n  port: 9090\n', /^f\.yaml:1:1 operator\.port: must differ from listener\.port/],
  ['a bracket left open', 'listener: {port: 1', /^f\.yaml:1:\d+ /],
  ['a tab', 'listener:\n\tport: 1\n', /^f\.yaml:2:1 Tabs are not allowed.* Indent with spaces/],
  ['a second document', 'stateDir: a\n---\nstateDir: b\n', /^f\.yaml:2:1 .*multiple documents/],
  ['an unknown tag', 'stateDir: !env HOME\n', /^f\.yaml:1:11 .*tag: !env\. Remove the tag/],
  ['an alias without anchor', 'stateDir: *home\n', /^f\.yaml:1:1 .*home/],
  ['a key that means the prototype', '{"__proto__": {"port": 1}}', /^f\.yaml:1:2 .*__proto__.*: is not a known field/],
  [
    'several errors, in order of lines',
    'operator:\n  port: x\nlistener:\n  port: y\n  host: 1\n',
    /:2:9 operator\.port/,
    /:4:9 listener\.port/,
    /:5:9 listener\.host/,
  ],
];

describe('a refused text says where and why', () => {
  test.each(REFUSED.map(([name, text, ...errors]) => ({ name, text, errors })))(
    '$name',
    ({ text, errors: expected }) => {
      const result = parseConfig(text, 'f.yaml');
      const lines = result.ok ? [] : result.errors.map(formatConfigError);
      expect(lines).toHaveLength(expected.length);
      for (const [index, pattern] of expected.entries()) expect(lines[index]).toMatch(pattern);
    },
  );

  test('aliases that multiply are refused before they are written out', () => {
    let text = 'a0: &a0 [x, x, x, x, x, x, x, x, x]\n';
    for (let level = 1; level < 12; level++) {
      const last = `*a${level - 1}`;
      text += `a${level}: &a${level} [${Array.from({ length: 9 }, () => last).join(', ')}]\n`;
    }
    const result = parseConfig(text, 'f.yaml');
    expect(result.ok || result.errors[0]?.message).toMatch(/alias/i);
  });

  test('nesting without end is refused, not a crash', () => {
    for (const depth of [1000, 20_000]) {
      expect(parseConfig('['.repeat(depth) + ']'.repeat(depth), 'f.yaml').ok).toBe(false);
      expect(parseConfig('{a: '.repeat(depth) + '}'.repeat(depth), 'f.yaml').ok).toBe(false);
    }
  });

  test('a thousand errors end with a readable list', () => {
    const text = Array.from({ length: 1000 }, (_, index) => `zebra${index}: 1\n`).join('');
    const result = parseConfig(text, 'f.yaml');
    expect(result.ok || result.errors.length).toBe(20);
  });
});

describe('a refused file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bascule-config-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const errorOf = async (file: string): Promise<string> => {
    const result = await loadConfig(file);
    return result.ok ? '' : result.errors.map(formatConfigError).join('\n');
  };

  test('that does not exist', async () => {
    const file = join(folder, 'none.yaml');
    expect(await errorOf(file)).toContain(`${file}:1:1 does not exist.`);
  });

  test('that is a folder', async () => {
    await mkdir(join(folder, 'dir.yaml'));
    expect(await errorOf(join(folder, 'dir.yaml'))).toContain('is a folder');
  });

  test.each([
    ['a device', 'ln', ['-s', '/dev/zero']],
    ['a pipe', 'mkfifo', []],
  ])('that is %s, which may never end', async (kind, command, args) => {
    const file = join(folder, `${kind}.yaml`);
    execFileSync(command, [...args, file]);
    expect(await errorOf(file)).toContain('is not a file');
  });

  test('of 10 MB', async () => {
    const file = join(folder, 'large.yaml');
    await writeFile(file, `# ${'x'.repeat(10_000_000)}\n`);
    expect(await errorOf(file)).toContain('is larger than 1048576 bytes (has 10000003)');
  });

  test('that names files which cannot be used', async () => {
    const file = join(folder, 'named.yaml');
    const path = (name: string): string => join(folder, name);
    await writeFile(path('empty'), ' \n');
    await writeFile(path('no-pem'), 'certainly\n');
    await writeFile(path('cert'), TEST_TLS.cert);
    await writeFile(path('key'), TEST_TLS.key);
    await writeFile(
      file,
      `discovery:
  embeddedRegistry: true
  registryAccessFile: none-1
  endpoints: [{address: "a:1", services: [a.B], schema: none-2}]
  sources:
    - {url: "http://a:1", tokenFile: empty, schema: empty}
    - {url: "http://b:1", passwordFile: .}
`,
    );
    expect(await errorOf(file)).toBe(
      [
        `${file}:3:23 discovery.registryAccessFile: ${path('none-1')} does not exist. Correct it, or name another.`,
        `${file}:4:57 discovery.endpoints[0].schema: ${path('none-2')} does not exist. Correct it, or name another.`,
        `${file}:6:38 discovery.sources[0].tokenFile: ${path('empty')} is empty. Correct it, or name another.`,
        `${file}:7:41 discovery.sources[1].passwordFile: ${folder} is not a file. Correct it, or name another.`,
      ].join('\n'),
    );
    await writeFile(
      file,
      `discovery:
  sources:
    - {url: "https://a:1", caFile: no-pem}
    - {url: "https://b:1", certFile: cert, keyFile: no-pem}
    - {url: "https://c:1", caFile: cert, certFile: cert, keyFile: key}
`,
    );
    const errors = (await errorOf(file)).split('\n');
    await writeFile(
      file,
      'services:\n  a.A: {tls: {caFile: none-3}}\n  a.B: {tls: {certFile: cert, keyFile: empty}}\n',
    );
    expect(await errorOf(file)).toBe(
      [
        `${file}:2:23 services["a.A"].tls.caFile: ${path('none-3')} does not exist. Correct it, or name another.`,
        `${file}:3:40 services["a.B"].tls.keyFile: ${path('empty')} is empty. Correct it, or name another.`,
      ].join('\n'),
    );
    await writeFile(
      file,
      'services:\n  "*": {tls: {caFile: no-pem}}\n  a.B: {tls: {certFile: cert, keyFile: no-pem}}\n',
    );
    const [ofCa, ofKey] = (await errorOf(file)).split('\n');
    expect(ofCa).toContain(`${file}:2:23 services["*"].tls.caFile: cannot be used (`);
    expect(ofKey).toContain(`${file}:3:25 services["a.B"].tls.certFile: cannot be used (`);
    expect(errors).toHaveLength(2);
    expect(errors[0]).toContain(`${file}:3:36 discovery.sources[0].caFile: cannot be used (`);
    expect(errors[1]).toContain(`${file}:4:38 discovery.sources[1].certFile: cannot be used (`);
  });

  test('that is not text', async () => {
    const file = join(folder, 'binary.yaml');
    await writeFile(file, Uint8Array.of(0x61, 0x3a, 0xff, 0xfe));
    expect(await errorOf(file)).toContain('is not UTF-8 text');
  });
});
