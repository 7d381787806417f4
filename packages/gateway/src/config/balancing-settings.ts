import { DEFAULT_OUTLIER, type BalancingPolicy, type OutlierPolicy, type PolicySpec } from '@bascule/balancer';
import { Policy, type Balancing, type Outlier } from '@bascule/schema/gen/bascule/config/v1/balancing_pb.ts';
import { systemClock } from '@bascule/core';
import { toMs } from './duration.ts';

/** What a balancer takes beside defaults of its own. */
export type BalancingSettings = Partial<BalancingPolicy>;

/** Of each gateway its own, and the same when its configuration is read again. */
const PROCESS_SEED = Math.floor(systemClock.random() * 0x1_0000_0000);

/** Which policy, and how; undefined where nothing is said of either. */
export function resolveBalancingSettings(
  policy: Policy,
  balancing: Balancing | undefined,
  ownZone: string,
): BalancingSettings | undefined {
  if (policy === Policy.UNSPECIFIED && balancing === undefined) return undefined;
  const specOf = POLICIES.get(policy) ?? leastRequest;
  return { policy: specOf(balancing), ...(balancing && resolveDetails(balancing, ownZone)) };
}

type SpecOf = (details: Balancing | undefined) => PolicySpec;

const leastRequest: SpecOf = (details) => ({
  name: 'least-request',
  choiceCount: details?.choiceCount ?? 2,
  fullScanUpTo: details?.fullScanUpTo ?? 0,
  activeRequestBias: details?.activeRequestBias ?? 1,
});

const POLICIES: ReadonlyMap<Policy, SpecOf> = new Map<Policy, SpecOf>([
  [Policy.ROUND_ROBIN, () => ({ name: 'round-robin', weighted: true })],
  [Policy.RANDOM, () => ({ name: 'random', weighted: true })],
  [Policy.LEAST_REQUEST, leastRequest],
  [Policy.LEAST_RESPONSE_TIME, (details) => ({ name: 'least-response-time', choiceCount: details?.choiceCount ?? 2 })],
  [
    Policy.PEAK_EWMA,
    (details) => ({
      name: 'peak-ewma',
      decayMs: toMs(details?.decay, 10_000),
      initialMs: toMs(details?.initialLatency, 30),
      choiceCount: details?.choiceCount ?? 2,
    }),
  ],
  [
    Policy.ORCA_WEIGHTED_ROUND_ROBIN,
    (details) => ({
      name: 'orca-weighted-round-robin',
      blackoutMs: toMs(details?.blackout, 10_000),
      expirationMs: toMs(details?.expiration, 180_000),
      updateMs: toMs(details?.updateInterval, 1_000),
      errorPenalty: details?.errorPenalty ?? 1,
    }),
  ],
  [
    Policy.DYNAMIC_WEIGHT,
    (details) => ({
      name: 'dynamic-weight',
      updateMs: toMs(details?.updateInterval, 1_000),
      gain: 0.3,
    }),
  ],
  [
    Policy.RING_HASH,
    (details) => ({
      name: 'ring-hash',
      minRingSize: details?.minRingSize ?? 1_024,
      maxRingSize: details?.maxRingSize ?? 65_536,
      ...boundOf(details),
    }),
  ],
  [Policy.MAGLEV, (details) => ({ name: 'maglev', tableSize: details?.tableSize ?? 65_537, ...boundOf(details) })],
  [Policy.RENDEZVOUS, (details) => ({ name: 'rendezvous', ...boundOf(details) })],
]);

function boundOf(details: Balancing | undefined): { readonly boundPercent?: number } {
  return details?.boundPercent === undefined ? {} : { boundPercent: details.boundPercent };
}

function resolveDetails(balancing: Balancing, ownZone: string): BalancingSettings {
  const { slowStart, outlier, respread, loadReportPeriod } = balancing;
  const { panicPercent, overprovisioningPercent, messagesPerCall } = balancing;
  const { maxOpenCallsPerEndpoint, maxConnections } = balancing;
  return {
    ...(panicPercent !== undefined && { panicPercent }),
    ...(overprovisioningPercent !== undefined && { overprovisioningPercent }),
    ...(messagesPerCall !== undefined && { messagesPerCall }),
    ...(maxOpenCallsPerEndpoint !== undefined && { maxOpenCallsPerEndpoint }),
    ...(maxConnections !== undefined && { maxConnections }),
    ...(loadReportPeriod !== undefined && { loadReportPeriodMs: toMs(loadReportPeriod, 0) }),
    ...resolveLocality(balancing, ownZone),
    ...(slowStart !== undefined && {
      slowStart: {
        windowMs: toMs(slowStart.window, 0),
        aggression: slowStart.aggression ?? 1,
        minWeightPercent: slowStart.minWeightPercent ?? 10,
      },
    }),
    ...(respread !== undefined && {
      respread: { perSecond: respread.perSecond ?? 10, tolerancePercent: respread.tolerancePercent ?? 20 },
    }),
    ...resolveSubset(balancing),
    // Without the key the default would hold: to switch it off is to say so.
    ...(outlier !== undefined && ({ outlier: resolveOutlier(outlier) } as BalancingSettings)),
  };
}

function resolveLocality({ locality }: Balancing, ownZone: string): BalancingSettings {
  if (locality.case === 'localityWeights') {
    return { locality: { kind: 'weights', weights: { ...locality.value.weights } } };
  }
  if (locality.case !== 'zoneAware') return {};
  const { minEndpoints = 6, enabledPercent = 100, peersByZone } = locality.value;
  const peers = Object.keys(peersByZone).length > 0 ? { peersByZone: { ...peersByZone } } : {};
  return { locality: { kind: 'zone-aware', ownZone, minEndpoints, enabledPercent, ...peers } };
}

function resolveSubset({ subset }: Balancing): BalancingSettings {
  if (subset.case === 'randomSubset') {
    const { size, seed } = subset.value;
    return { subset: { kind: 'random', size, seed: seed ?? PROCESS_SEED } };
  }
  if (subset.case !== 'aperture') return {};
  const { peerIndex, peerCount, minAperture = 12 } = subset.value;
  return { subset: { kind: 'aperture', peerIndex, peerCount, minAperture } };
}

function resolveOutlier(outlier: Outlier): OutlierPolicy | undefined {
  if (outlier.off === true) return undefined;
  const { minEndpoints = 5, minCalls, successRateStdevFactor, failurePercentage, latencyFactor } = outlier;
  return {
    consecutiveFailures: outlier.consecutiveFailures ?? DEFAULT_OUTLIER.consecutiveFailures,
    intervalMs: toMs(outlier.interval, DEFAULT_OUTLIER.intervalMs),
    baseEjectionMs: toMs(outlier.baseEjection, DEFAULT_OUTLIER.baseEjectionMs),
    maxEjectionMs: toMs(outlier.maxEjection, DEFAULT_OUTLIER.maxEjectionMs),
    maxEjectionPercent: outlier.maxEjectionPercent ?? DEFAULT_OUTLIER.maxEjectionPercent,
    probation: outlier.probation ?? DEFAULT_OUTLIER.probation,
    ...(successRateStdevFactor !== undefined && {
      successRate: { stdevFactor: successRateStdevFactor, minEndpoints, minCalls: minCalls ?? 100 },
    }),
    ...(failurePercentage !== undefined && {
      failurePercentage: { threshold: failurePercentage, minEndpoints, minCalls: minCalls ?? 50 },
    }),
    ...(latencyFactor !== undefined && {
      latency: { factor: latencyFactor, minEndpoints, minCalls: minCalls ?? 100 },
    }),
  };
}
