import type { CallKey, CallPolicy } from '@bascule/core';
import { showValue, type ConfigPath } from './error.ts';
import type { RuleProblem } from './rules.ts';
import type { Settings } from './settings-types.ts';

/** What no rule of a single field can say of how calls are treated and shared. */
export function checkPolicies(settings: Settings): RuleProblem[] {
  const problems: RuleProblem[] = [];
  for (const { path, policy, service } of scopesOf(settings)) {
    problems.push(
      ...checkTimeout(policy, path, settings.calls.maxTimeoutMs),
      ...checkKeys(policy, path, settings),
      ...checkMirror(policy, path, service),
    );
  }
  return [
    ...problems,
    ...checkTimeout(settings.calls, ['calls'], settings.calls.maxTimeoutMs),
    ...checkShares(settings),
    ...checkConditions(settings),
  ];
}

/** Forgotten conditions would have the route hold for every call there is. */
function checkConditions({ routes }: Settings): RuleProblem[] {
  return routes.flatMap(({ service, method, headers }, index) => {
    if (service !== undefined || method !== undefined || headers.length > 0) return [];
    const message = 'has no condition, and would hold for all calls';
    return [problem(['routes', index], message, 'Add service, method or headers; what holds for all is services."*".')];
  });
}

interface Scope {
  readonly path: ConfigPath;
  readonly policy: CallPolicy;
  readonly service: string | undefined;
}

function scopesOf({ services, routes }: Settings): Scope[] {
  return [
    ...Object.entries(services).flatMap(([service, { calls, methods }]): Scope[] => [
      { path: ['services', service], policy: calls, service },
      ...Object.entries(methods).map(([method, policy]): Scope => {
        return { path: ['services', service, 'methods', method], policy, service };
      }),
    ]),
    ...routes.map(({ calls, service }, index): Scope => ({ path: ['routes', index, 'calls'], policy: calls, service })),
  ];
}

type Timeouts = Pick<CallPolicy, 'defaultTimeoutMs' | 'maxTimeoutMs'>;

function checkTimeout(
  { defaultTimeoutMs, maxTimeoutMs }: Timeouts,
  path: ConfigPath,
  generalMs: number,
): RuleProblem[] {
  const limitMs = maxTimeoutMs ?? generalMs;
  if (defaultTimeoutMs === undefined || defaultTimeoutMs <= limitMs) return [];
  const limit = maxTimeoutMs === undefined ? 'calls.maxTimeout' : 'the maxTimeout beside it';
  const message = `must be at most ${path[0] === 'calls' ? 'calls.maxTimeout' : limit}, ${limitMs / 1000}s (is ${defaultTimeoutMs / 1000}s)`;
  return [problem([...path, 'defaultTimeout'], message, 'Raise calls.maxTimeout, or lower this one.')];
}

function checkKeys(policy: CallPolicy, path: ConfigPath, { identity, sharedLimits }: Settings): RuleProblem[] {
  const limits = policy.rateLimits ?? [];
  const keys: CallKey[] = [...limits.flatMap(({ key }) => key ?? []), ...(policy.affinity?.keys ?? [])];
  const problems: RuleProblem[] = [];
  if (identity === undefined && keys.some(({ from }) => from === 'claim')) {
    const message = 'names a claim, but no tokens are read';
    problems.push(problem(path, message, 'Add "identity" with the keys that sign your tokens, or use another key.'));
  }
  if (sharedLimits === undefined && limits.some(({ shared }) => shared === true)) {
    const message = 'has a shared rate limit, but nowhere to count it';
    problems.push(problem(path, message, 'Add "sharedLimits" with the URL of a Redis server, or remove "shared".'));
  }
  return problems;
}

function checkMirror({ mirror }: CallPolicy, path: ConfigPath, service: string | undefined): RuleProblem[] {
  if (mirror === undefined || mirror.cluster !== service) return [];
  return [
    problem([...path, 'mirror', 'service'], 'is the service itself', 'Name another service, or remove "mirror".'),
  ];
}

function checkShares({ services, zone }: Settings): RuleProblem[] {
  return Object.entries(services).flatMap(([name, { balancing }]) => {
    const path: ConfigPath = ['services', name, 'balancing'];
    const problems: RuleProblem[] = [];
    if (balancing?.locality?.kind === 'zone-aware' && zone === '') {
      const advice = 'Write "zone:" with the name that endpoints in the same place have.';
      problems.push(problem([...path, 'zoneAware'], 'needs to know where this gateway runs', advice));
    }
    const { policy } = balancing ?? {};
    if (policy?.name === 'ring-hash' && policy.minRingSize > policy.maxRingSize) {
      const message = `must be at most maxRingSize, ${policy.maxRingSize} (is ${policy.minRingSize})`;
      problems.push(problem([...path, 'minRingSize'], message, 'Lower it, or raise maxRingSize.'));
    }
    if (policy?.name === 'maglev' && !isPrime(policy.tableSize)) {
      const message = `must be a prime (got ${showValue(policy.tableSize)})`;
      problems.push(problem([...path, 'tableSize'], message, 'As in 65537 or 655373.'));
    }
    const { subset } = balancing ?? {};
    if (subset?.kind === 'aperture' && subset.peerIndex >= subset.peerCount) {
      const message = `must be below peerCount, ${subset.peerCount} (is ${subset.peerIndex})`;
      problems.push(problem([...path, 'aperture', 'peerIndex'], message, 'The first gateway is 0.'));
    }
    return problems;
  });
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return n > 1;
}

function problem(path: ConfigPath, message: string, advice: string): RuleProblem {
  return { path, message, advice };
}
