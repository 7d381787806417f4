import { formatPath, showValue, type ConfigPath } from './error.ts';
import type { RuleProblem } from './rules.ts';
import { checkPolicies } from './policy-checks.ts';
import { checkDiscovery, checkHealth, checkKeyPair } from './discovery-checks.ts';
import type { Settings } from './settings-types.ts';

/** What no rule of a single field can say: values that do not go together, and names with an inner form. */
export function checkSettings(settings: Settings): RuleProblem[] {
  return [
    ...checkPorts(settings),
    ...checkDiscovery(settings.discovery),
    ...checkHealth(settings),
    ...checkUpstreamTls(settings),
    ...checkPolicies(settings),
    ...checkCors(settings),
    ...checkServiceNames(settings),
  ];
}

function checkPorts({ listener, operator }: Settings): RuleProblem[] {
  if (listener.port === 0 || listener.port !== operator.port) return [];
  const message = `must differ from listener.port (both are ${listener.port})`;
  return [problem(['operator', 'port'], message, 'Calls and the operator have a listener each; choose another port.')];
}

function checkUpstreamTls({ services }: Settings): RuleProblem[] {
  return Object.entries(services).flatMap(([name, { tls }]) => {
    if (tls === undefined) return [];
    const path: ConfigPath = ['services', name, 'tls'];
    const pair = checkKeyPair({ cert: tls.certFile, key: tls.keyFile }, path);
    if (!tls.insecureSkipVerify || tls.caFile === undefined) return pair;
    const message = 'cannot be true beside caFile, which nobody would be held against';
    return [...pair, problem([...path, 'insecureSkipVerify'], message, 'Remove it, or caFile.')];
  });
}

const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/;
const FIELD_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

function checkCors({ cors }: Settings): RuleProblem[] {
  const problems: RuleProblem[] = [];
  for (const [index, origin] of cors.allowOrigins.entries()) {
    if (origin === '*' || ORIGIN.test(origin)) continue;
    const message = `must be "*" or an origin (got ${showValue(origin)})`;
    problems.push(
      problem(
        ['cors', 'allowOrigins', index],
        message,
        'Write scheme, host and port alone: "https://app.example.com".',
      ),
    );
  }
  for (const list of ['allowHeaders', 'exposeHeaders'] as const) {
    for (const [index, name] of cors[list].entries()) {
      // A line break in here would become one in every answer.
      if (FIELD_NAME.test(name)) continue;
      problems.push(
        problem(['cors', list, index], `must be a field name (got ${showValue(name)})`, 'As in "x-request-id".'),
      );
    }
  }
  if (cors.allowCredentials && cors.allowOrigins.includes('*')) {
    const message = 'cannot be true while cors.allowOrigins holds "*"';
    problems.push(problem(['cors', 'allowCredentials'], message, 'Name the origins that may send cookies.'));
  }
  return problems;
}

const SERVICE_NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;

function checkServiceNames({ services }: Settings): RuleProblem[] {
  return Object.keys(services).flatMap((name) => {
    if (name === '*' || SERVICE_NAME.test(name)) return [];
    const advice = 'As in "demo.places.v1.PlacesService", or "*" for all the others.';
    return [problem(['services', name], `${formatPath([name])} is not a service name`, advice)];
  });
}

function problem(path: ConfigPath, message: string, advice: string): RuleProblem {
  return { path, message, advice };
}
