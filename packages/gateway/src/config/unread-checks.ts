import { Policy, PolicySchema, type Balancing } from '@bascule/schema/gen/bascule/config/v1/balancing_pb.ts';
import type { Affinity } from '@bascule/schema/gen/bascule/config/v1/call_policy_pb.ts';
import type { Config, ServicePolicy } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { formatPath, type ConfigPath } from './error.ts';
import type { RuleProblem } from './rules.ts';

const HASHING: readonly Policy[] = [Policy.RING_HASH, Policy.MAGLEV, Policy.RENDEZVOUS];

/** What only some policies read. */
const READERS: ReadonlyMap<keyof Balancing, readonly Policy[]> = new Map<keyof Balancing, readonly Policy[]>([
  ['choiceCount', [Policy.LEAST_REQUEST, Policy.LEAST_RESPONSE_TIME, Policy.PEAK_EWMA]],
  ['fullScanUpTo', [Policy.LEAST_REQUEST]],
  ['activeRequestBias', [Policy.LEAST_REQUEST]],
  ['decay', [Policy.PEAK_EWMA]],
  ['initialLatency', [Policy.PEAK_EWMA]],
  ['minRingSize', [Policy.RING_HASH]],
  ['maxRingSize', [Policy.RING_HASH]],
  ['tableSize', [Policy.MAGLEV]],
  ['boundPercent', HASHING],
  ['blackout', [Policy.ORCA_WEIGHTED_ROUND_ROBIN]],
  ['expiration', [Policy.ORCA_WEIGHTED_ROUND_ROBIN]],
  ['updateInterval', [Policy.ORCA_WEIGHTED_ROUND_ROBIN, Policy.DYNAMIC_WEIGHT]],
  ['errorPenalty', [Policy.ORCA_WEIGHTED_ROUND_ROBIN]],
  ['loadReportPeriod', [Policy.ORCA_WEIGHTED_ROUND_ROBIN, Policy.DYNAMIC_WEIGHT]],
]);

/** Settings that nobody would read: whoever wrote them thinks that they hold. */
export function checkUnread({ services }: Config): RuleProblem[] {
  return Object.entries(services).flatMap(([name, service]) => {
    const path: ConfigPath = ['services', name];
    const methods = Object.entries(service.methods);
    const affinities: [ConfigPath, Affinity | undefined][] = [
      [[...path, 'calls'], service.calls?.affinity],
      ...methods.map(([method, calls]): [ConfigPath, Affinity | undefined] => [
        [...path, 'methods', method],
        calls.affinity,
      ]),
    ];
    return [
      ...checkDetails(service, path),
      // Those of "*" are for services whose policies hash.
      ...(name === '*' || mayHash(service, services['*']) ? [] : affinities.flatMap(checkKeys)),
    ];
  });
}

function checkDetails({ policy, balancing }: ServicePolicy, path: ConfigPath): RuleProblem[] {
  if (balancing === undefined) return [];
  const used = policy === Policy.UNSPECIFIED ? Policy.LEAST_REQUEST : policy;
  return [...READERS].flatMap(([field, readers]) => {
    if (balancing[field] === undefined || readers.includes(used)) return [];
    const advice = `Write policy: ${readers.map(nameOf).join(' or ')} beside balancing, or remove it.`;
    return [{ path: [...path, 'balancing', field], message: `is not read by ${nameOf(used)}`, advice }];
  });
}

function checkKeys([path, affinity]: [ConfigPath, Affinity | undefined]): RuleProblem[] {
  if (affinity === undefined || affinity.keys.length === 0) return [];
  const message = 'is read by policies that hash alone, and the one of this service does not';
  const advice = `Write policy: ${HASHING.map(nameOf).join(' or ')} at ${formatPath(path.slice(0, 2))}, or remove the keys.`;
  return [{ path: [...path, 'affinity', 'keys'], message, advice }];
}

/** Who says nothing of its balancing has that of "*", and then that of a service config, which is another file. */
function mayHash(own: ServicePolicy, general: ServicePolicy | undefined): boolean {
  const [speaker] = [own, general].filter((who) => who?.policy || who?.balancing);
  if (speaker === undefined) return (own.serviceConfig ?? general?.serviceConfig) !== undefined;
  return HASHING.includes(speaker.policy);
}

function nameOf(policy: Policy): string {
  return PolicySchema.value[policy]?.name ?? String(policy);
}
