import type { Config } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { ConfigSchema } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { createValidator, type Violation } from '@bufbuild/protovalidate';
import { showValue, type ConfigPath } from './error.ts';

/** A value that breaks a rule. */
export interface RuleProblem {
  readonly path: ConfigPath;
  readonly message: string;
  readonly advice: string;
}

const validator = createValidator();

/** Holds a configuration against the rules that stand in config.proto. `valueAt` is what the operator wrote. */
export function validateRules(config: Config, valueAt: (path: ConfigPath) => unknown): RuleProblem[] {
  const result = validator.validate(ConfigSchema, config);
  if (result.kind === 'valid') return [];
  // Only a broken rule in the .proto itself comes here; the tests read every rule once.
  if (result.kind === 'error') return [{ path: [], message: result.error.message, advice: '' }];
  return result.violations.map((violation) => {
    const path = toPath(violation);
    const field = fieldOf(path);
    const value = valueAt(path);
    const words = describe(violation, field);
    if (value === undefined) return { path, message: 'is missing', advice: ADVICE[field] ?? `It ${words}.` };
    return {
      path,
      message: `${words} (got ${showValue(value)})`,
      advice: ADVICE[field] ?? `Correct it, or remove it to get the default.`,
    };
  });
}

function toPath(violation: Violation): ConfigPath {
  return violation.field.map((step) => {
    if (step.kind === 'list_sub') return step.index;
    if (step.kind === 'map_sub') return String(step.key);
    return step.kind === 'field' ? step.jsonName : step.name;
  });
}

/** The path without indexes and keys, as the advice below has it. */
function fieldOf(path: ConfigPath): string {
  const names = path.filter((step) => typeof step === 'string');
  return names[0] === 'services' ? `services.*.${names.slice(2).join('.')}` : names.join('.');
}

const PATTERN_WORDS: Readonly<Record<string, string>> = {
  'discovery.registry': 'must be "http://host:port"',
  'discovery.endpoints.address': 'must be "host:port" or "https://host:port"',
  'discovery.endpoints.services': 'must be a fully qualified service name',
  'discovery.sources.name': 'must be letters, digits, ".", "_", ":", "/" and "-", 128 at most',
  'discovery.sources.services': 'must be a fully qualified service name',
  'discovery.healthCheck.http.path': 'must begin with "/" and hold no spaces',
  'services.*.healthCheck.http.path': 'must begin with "/" and hold no spaces',
  'services.*.tls.serverName': 'must be a host name or an address, without port and brackets',
};

/** The patterns of config.proto that stand in many places, in words. */
const PATTERNS: ReadonlyMap<string, string> = new Map([
  ['^[A-Za-z_][A-Za-z0-9_.]*$', 'must be a fully qualified service name'],
  ['^[A-Za-z_][A-Za-z0-9_]*$', 'must be the name of a method'],
  ["^[a-z0-9!#$%&'*+.^_`|~-]+$", 'must be the name of a request field, in lower case'],
  ["^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", 'must be the name of a cookie'],
  ['^/[!-:<-~]*$', 'must begin with "/" and hold no spaces and no ";"'],
  ['^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$', 'must name a field of the request, as in "user.id"'],
  ['^rediss?://[^ ]+$', 'must be a URL, as in "redis://127.0.0.1:6379"'],
]);

const ADVICE: Readonly<Record<string, string>> = {
  'discovery.registry': 'Write it as "http://127.0.0.1:7070", without a path.',
  'discovery.endpoints.address': 'Write it as "127.0.0.1:5001".',
  'discovery.endpoints.services': 'Name the services it answers, as in "demo.places.v1.PlacesService".',
  'discovery.sources.services': 'Name the services it answers, as in "demo.places.v1.PlacesService".',
  'discovery.sources.url': 'Write it as "consul://127.0.0.1:8500".',
  'listener.port': 'Choose a port that is free, or 0 to take any.',
  'operator.port': 'Choose a port that is free, or 0 to take any.',
  'services.*.tls.serverName': 'Write the name in the certificates, as in "places.internal".',
  'calls.retry.maxAttempts': 'Set 1 to switch retries off.',
};

/** The library's words, shorter. */
function describe(violation: Violation, field: string): string {
  if (violation.ruleId === 'string.min_len') return 'must not be empty';
  if (violation.ruleId === 'string.pattern') return PATTERN_WORDS[field] ?? wordsOfPattern(violation.message);
  if (violation.ruleId === 'required') return 'must be set';
  return violation.message
    .replace(/^value /, '')
    .replace('item(s)', 'item')
    .replace(/^must be greater than or equal to (\S+) and less than or equal to (\S+)$/, 'must be from $1 to $2')
    .replace(/^must contain/, 'must hold')
    .replaceAll('greater than or equal to', 'at least')
    .replaceAll('less than or equal to', 'at most')
    .replaceAll('greater than', 'more than');
}

function wordsOfPattern(message: string): string {
  const pattern = /`(.*)`/s.exec(message)?.[1] ?? '';
  return PATTERNS.get(pattern) ?? message;
}
