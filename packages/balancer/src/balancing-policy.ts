/**
 * How a service's endpoints share its calls: plain data that crosses threads. Default values are the ones that
 * `resolveBalancing` gives; what is undefined is off.
 */

export interface BalancingPolicy {
  readonly policy: PolicySpec;
  /** Share of usable endpoints, in percent, under which a priority uses all it has. 0 switches it off. Default 50. */
  readonly panicPercent: number;
  /** Factor by which a priority's healthy share is overstated before it spills over, in percent. Default 140. */
  readonly overprovisioningPercent: number;
  /** Weights of zones, or calls kept in the own zone; undefined looks at no zone. */
  readonly locality?: LocalityPolicy;
  readonly slowStart?: SlowStartPolicy;
  /** Asks streams that can move to do so when others have fewer; undefined leaves them where they are. */
  readonly respread?: RespreadPolicy;
  /** Undefined ejects nobody. */
  readonly outlier?: OutlierPolicy;
  /** Undefined uses all endpoints. */
  readonly subset?: SubsetPolicy;
  /** Endpoints that a way is opened to at once; those of the lowest priorities first. Undefined is all. */
  readonly maxConnections?: number;
  /**
   * Asks each endpoint for its load apart from calls, for a report each so many ms, above 0; what answers say of it is
   * not read then. Undefined reads answers. Source: gRFC A51, out of band.
   */
  readonly loadReportPeriodMs?: number;
  /** Messages per second, over an endpoint's streams, that count as one more open call. Default 100. */
  readonly messagesPerCall: number;
  /** Calls open on one endpoint at once; beyond it counts as not usable. Undefined is without limit. */
  readonly maxOpenCallsPerEndpoint?: number;
}

/** One of the policies, with what it takes. */
export type PolicySpec =
  /** By weight it goes smoothly, as nginx does. Default weighted. */
  | { readonly name: 'round-robin'; readonly weighted: boolean }
  /** Default weighted. */
  | { readonly name: 'random'; readonly weighted: boolean }
  | {
      readonly name: 'least-request';
      /** Endpoints drawn per pick, 2 to 10. Default 2. */
      readonly choiceCount: number;
      /** At most this many endpoints are all looked at. Default 0: never. */
      readonly fullScanUpTo: number;
      /** With unequal weights: `weight / (active + 1) ^ bias`. Default 1; 0 is by weight alone. */
      readonly activeRequestBias: number;
    }
  | { readonly name: 'least-response-time'; readonly choiceCount: number }
  | {
      readonly name: 'peak-ewma';
      /** Decay time of the average, in ms. Default 10,000. */
      readonly decayMs: number;
      /** Taken for an endpoint without history, in ms. Default 30. */
      readonly initialMs: number;
      readonly choiceCount: number;
    }
  | {
      readonly name: 'orca-weighted-round-robin';
      /** Default 10,000. */
      readonly blackoutMs: number;
      /** Default 180,000. */
      readonly expirationMs: number;
      /** Default 1,000, at least 100. */
      readonly updateMs: number;
      /** Default 1. */
      readonly errorPenalty: number;
    }
  | {
      readonly name: 'dynamic-weight';
      /** How often weights follow the reported load, in ms. Default 1,000. */
      readonly updateMs: number;
      /** Part of the way to its new weight that an endpoint goes in one step, above 0 up to 1. Default 0.3. */
      readonly gain: number;
    }
  | {
      readonly name: 'ring-hash';
      readonly minRingSize: number;
      readonly maxRingSize: number;
      readonly boundPercent?: number;
    }
  | { readonly name: 'maglev'; readonly tableSize: number; readonly boundPercent?: number }
  | { readonly name: 'rendezvous'; readonly boundPercent?: number };

export type PolicyName = PolicySpec['name'];

/** Source: Envoy's locality weights and zone-aware routing. Zones without a weight weigh 1. */
export type LocalityPolicy =
  | { readonly kind: 'weights'; readonly weights: Readonly<Record<string, number>> }
  | {
      readonly kind: 'zone-aware';
      /** Where this process runs. */
      readonly ownZone: string;
      /** Processes like this one by zone. Default: as many in each zone that has endpoints. */
      readonly peersByZone?: Readonly<Record<string, number>>;
      /** Endpoints below which zones are not looked at. Default 6. */
      readonly minEndpoints: number;
      /** Share of calls, in percent, to which it applies. Default 100. */
      readonly enabledPercent: number;
    };

/** Only of calls whose callers have said that they can resume elsewhere. */
export interface RespreadPolicy {
  /** Calls asked per second, over all endpoints, above 0. Default 10. */
  readonly perSecond: number;
  /** How far above its share an endpoint may be, in percent. Default 20. */
  readonly tolerancePercent: number;
}

/** Source: Envoy's slow start. */
export interface SlowStartPolicy {
  readonly windowMs: number;
  /** Above 0. Default 1: linear. */
  readonly aggression: number;
  /** Default 10. */
  readonly minWeightPercent: number;
}

/** Source: Envoy's outlier detection, gRFC A50. */
export interface OutlierPolicy {
  /** Failures in a row; 0 is off. Default 5. */
  readonly consecutiveFailures: number;
  /** Default 10,000. */
  readonly intervalMs: number;
  /** Default 30,000. */
  readonly baseEjectionMs: number;
  /** Default 300,000. */
  readonly maxEjectionMs: number;
  /** Default 50. At least one endpoint can be ejected, and never the last that is usable. */
  readonly maxEjectionPercent: number;
  readonly successRate?: {
    /** In standard deviations. Default 1.9. */
    readonly stdevFactor: number;
    /** Default 5. */
    readonly minEndpoints: number;
    /** Default 100. */
    readonly minCalls: number;
  };
  readonly failurePercentage?: {
    /** Default 85. */
    readonly threshold: number;
    /** Default 5. */
    readonly minEndpoints: number;
    /** Default 50. */
    readonly minCalls: number;
  };
  /** Ejects who is slower than the others: mean answer above `factor` times the median of means. */
  readonly latency?: { readonly factor: number; readonly minEndpoints: number; readonly minCalls: number };
  /** After its time an endpoint gets one call; its success takes it back, its failure ejects it anew. Default true. */
  readonly probation: boolean;
}

/** Source: gRFC A68 for `random`, Finagle's deterministic aperture for `aperture`. */
export type SubsetPolicy =
  | { readonly kind: 'random'; readonly size: number; readonly seed: number }
  | {
      readonly kind: 'aperture';
      /** Place of this process among its like, from 0. */
      readonly peerIndex: number;
      readonly peerCount: number;
      /** Default 12. */
      readonly minAperture: number;
    };

type Overrides = Partial<Omit<BalancingPolicy, 'policy'>> & { readonly policy?: PolicySpec };

/** Fills in defaults. */
export function resolveBalancing(overrides: Overrides = {}): BalancingPolicy {
  return {
    policy: { name: 'least-request', choiceCount: 2, fullScanUpTo: 0, activeRequestBias: 1 },
    panicPercent: 50,
    overprovisioningPercent: 140,
    messagesPerCall: 100,
    outlier: DEFAULT_OUTLIER,
    ...overrides,
  };
}

/** On without any configuration, see `resolveBalancing`. */
export const DEFAULT_OUTLIER: OutlierPolicy = {
  consecutiveFailures: 5,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 50,
  probation: true,
};
