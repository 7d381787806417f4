import type { PolicySpec } from '../../src/balancing-policy.ts';

/** Every policy, with settings that lead it other ways. */
export const SPECS = {
  'round-robin, weighted': { name: 'round-robin', weighted: true },
  'round-robin': { name: 'round-robin', weighted: false },
  'random, weighted': { name: 'random', weighted: true },
  random: { name: 'random', weighted: false },
  'least-request': { name: 'least-request', choiceCount: 2, fullScanUpTo: 0, activeRequestBias: 1 },
  'least-request of 5': { name: 'least-request', choiceCount: 5, fullScanUpTo: 0, activeRequestBias: 0.5 },
  'least-request, all compared': { name: 'least-request', choiceCount: 2, fullScanUpTo: 50, activeRequestBias: 0 },
  'least-response-time': { name: 'least-response-time', choiceCount: 2 },
  'least-response-time of 3': { name: 'least-response-time', choiceCount: 3 },
  'peak-ewma': { name: 'peak-ewma', decayMs: 10_000, initialMs: 30, choiceCount: 2 },
  'peak-ewma of 4': { name: 'peak-ewma', decayMs: 10_000, initialMs: 30, choiceCount: 4 },
  'orca-weighted-round-robin': {
    name: 'orca-weighted-round-robin',
    blackoutMs: 0,
    expirationMs: 10_000,
    updateMs: 1_000,
    errorPenalty: 1,
  },
  'dynamic-weight': { name: 'dynamic-weight', updateMs: 1_000, gain: 0.3 },
  'ring-hash': { name: 'ring-hash', minRingSize: 1_024, maxRingSize: 65_536 },
  'ring-hash, bounded': { name: 'ring-hash', minRingSize: 1_024, maxRingSize: 65_536, boundPercent: 150 },
  maglev: { name: 'maglev', tableSize: 65_537 },
  'maglev, bounded': { name: 'maglev', tableSize: 65_537, boundPercent: 150 },
  rendezvous: { name: 'rendezvous' },
  'rendezvous, bounded': { name: 'rendezvous', boundPercent: 150 },
} as const satisfies Record<string, PolicySpec>;

export type SpecName = keyof typeof SPECS;
