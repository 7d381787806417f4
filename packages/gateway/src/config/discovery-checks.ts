import { isIPv6 } from 'node:net';
import { formatAddress } from '@bascule/core';
import { nameOf, tryParse } from './discovery-settings.ts';
import { showValue, type ConfigPath } from './error.ts';
import type { RuleProblem } from './rules.ts';
import type { DiscoverySettings, Settings, SourceSettings, StaticEndpointSettings } from './settings-types.ts';

/** Names that stand for something else wherever sources are shown. */
const RESERVED = new Set(['static', 'registry', 'module']);

export function checkDiscovery(discovery: DiscoverySettings): RuleProblem[] {
  return [...checkEndpoints(discovery.endpoints), ...checkAccess(discovery), ...checkSources(discovery)];
}

function checkEndpoints(endpoints: readonly StaticEndpointSettings[]): RuleProblem[] {
  const seen = new Map<string, number>();
  return endpoints.flatMap((endpoint, index) => {
    const { port } = endpoint;
    const path: ConfigPath = ['discovery', 'endpoints', index, 'address'];
    const address = formatAddress(endpoint);
    if (port < 1 || port > 65_535) {
      const message = `must have a port from 1 to 65535 (got ${showValue(address)})`;
      return [problem(path, message, 'Write the port that the endpoint listens on.')];
    }
    if (endpoint.host.includes(':') && !isIPv6(endpoint.host)) {
      return [problem(path, `is no IPv6 address (got ${showValue(address)})`, 'Write it as "[::1]:5001".')];
    }
    const before = seen.get(address.toLowerCase());
    seen.set(address.toLowerCase(), index);
    if (before === undefined) return [];
    return [problem(path, `is that of discovery.endpoints[${before}] as well`, 'Put the services of both into one.')];
  });
}

function checkAccess({ registryAccessFile, embeddedRegistry }: DiscoverySettings): RuleProblem[] {
  if (registryAccessFile === undefined || embeddedRegistry) return [];
  const message = 'is about the registry inside the gateway, which is off';
  return [problem(['discovery', 'registryAccessFile'], message, 'Write "embeddedRegistry: true", or remove it.')];
}

function checkSources({ sources, registry }: DiscoverySettings): RuleProblem[] {
  const names = new Map<string, string>(registry === undefined ? [] : [[nameOf(registry), 'discovery.registry']]);
  return sources.flatMap((source, index) => {
    const path: ConfigPath = ['discovery', 'sources', index];
    const before = names.get(source.name);
    names.set(source.name, `discovery.sources[${index}]`);
    return [
      ...checkUrl(source, [...path, 'url']),
      ...checkName(source.name, before, path),
      ...checkKeyPair(source.credentialFiles, path),
    ];
  });
}

/** What is wrong with the URL must not be shown with it: there may be a password in it. */
function checkUrl(source: SourceSettings, path: ConfigPath): RuleProblem[] {
  const url = tryParse(source.url);
  if (url === undefined) {
    return [problem(path, 'must be a URL', 'Write it as "consul://127.0.0.1:8500/payments".')];
  }
  const { username, password, searchParams } = url;
  if (password !== '') {
    return [problem(path, 'must not hold a password', 'Write it to a file, and name that as passwordFile.')];
  }
  if (username !== '') return [problem(path, 'must not hold a user', 'Write it as username, beside the URL.')];
  const secret = [...searchParams.keys()].find((name) => /token|password|secret/i.test(name));
  if (secret === undefined) return [];
  const message = `must not hold a secret (${showValue(secret)})`;
  return [problem(path, message, 'Write it to a file, and name that as tokenFile or passwordFile.')];
}

function checkName(name: string, before: string | undefined, path: ConfigPath): RuleProblem[] {
  if (RESERVED.has(name)) {
    const message = `cannot be ${showValue(name)}, which is the name of another source`;
    return [problem([...path, 'name'], message, 'Choose another name.')];
  }
  if (before === undefined) return [];
  return [
    problem([...path, 'name'], `is that of ${before} as well (${showValue(name)})`, 'Give it a name of its own.'),
  ];
}

/** A certificate is nothing without its key. */
export function checkKeyPair(
  { cert, key }: { readonly cert: string | undefined; readonly key: string | undefined },
  path: ConfigPath,
): RuleProblem[] {
  if ((cert === undefined) === (key === undefined)) return [];
  const [there, missing] = cert === undefined ? ['keyFile', 'certFile'] : ['certFile', 'keyFile'];
  return [problem([...path, there], `needs ${missing} beside it`, 'Name both, or neither.')];
}

/** Health checks and load limits, of all services and of single ones. */
export function checkHealth({ discovery, services }: Settings): RuleProblem[] {
  const checks: [ConfigPath, Settings['discovery']['healthCheck']][] = [
    [['discovery', 'healthCheck'], discovery.healthCheck],
    ...Object.entries(services).map(([name, { healthCheck }]): [ConfigPath, typeof healthCheck] => [
      ['services', name, 'healthCheck'],
      healthCheck,
    ]),
  ];
  return [
    ...checks.flatMap(([path, check]) => {
      if (check === undefined || check.timeoutMs <= check.intervalMs) return [];
      const message = `must be at most the interval, ${check.intervalMs / 1000}s (is ${check.timeoutMs / 1000}s)`;
      return [problem([...path, 'timeout'], message, 'Raise the interval, or lower this one.')];
    }),
    ...Object.entries(services).flatMap(([name, { loadLimit }]) => {
      if (loadLimit === undefined || loadLimit.maxUtilization > 0) return [];
      const advice = 'As in 0.9: at that load an endpoint gets no calls.';
      return [problem(['services', name, 'loadLimit', 'maxUtilization'], 'must be set', advice)];
    }),
  ];
}

function problem(path: ConfigPath, message: string, advice: string): RuleProblem {
  return { path, message, advice };
}
