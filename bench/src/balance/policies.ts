import type { PolicySpec } from '@bascule/balancer';

/** Policies as they are when nothing is configured beside their names. Hashing ones get keys of chance. */
export const SPECS: readonly PolicySpec[] = [
  { name: 'round-robin', weighted: true },
  { name: 'random', weighted: true },
  { name: 'least-request', choiceCount: 2, fullScanUpTo: 0, activeRequestBias: 1 },
  { name: 'least-request', choiceCount: 2, fullScanUpTo: 100, activeRequestBias: 1 },
  { name: 'least-response-time', choiceCount: 2 },
  { name: 'peak-ewma', decayMs: 10_000, initialMs: 30, choiceCount: 2 },
  {
    name: 'orca-weighted-round-robin',
    blackoutMs: 10_000,
    expirationMs: 180_000,
    updateMs: 1_000,
    errorPenalty: 1,
  },
  { name: 'dynamic-weight', updateMs: 1_000, gain: 0.3 },
  { name: 'ring-hash', minRingSize: 1_024, maxRingSize: 65_536 },
  { name: 'maglev', tableSize: 65_537 },
  { name: 'maglev', tableSize: 65_537, boundPercent: 125 },
  { name: 'rendezvous' },
];

/** With what sets it apart from another of its name. */
export function nameOf(spec: PolicySpec): string {
  if ('boundPercent' in spec) return `${spec.name} bounded to ${spec.boundPercent} %`;
  if (spec.name === 'least-request') return `${spec.name} of ${spec.fullScanUpTo > 0 ? 'all' : spec.choiceCount}`;
  return spec.name;
}
