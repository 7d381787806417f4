import { fromBinary } from '@bufbuild/protobuf';
import type { BalancingPolicy } from '@bascule/balancer';
import { endpointKey, getField, type Clock, type Endpoint, type Fields } from '@bascule/core';
import { OrcaLoadReportSchema } from '@bascule/schema/gen/peers/xds/orca_pb.ts';
import { createLoadWatch, LoadStreams, type LoadWatch } from './load-watch.ts';

/** What an answer said of its endpoint's load (ORCA). */
export interface EndpointLoad {
  /** `endpointKey` of the endpoint. */
  readonly key: string;
  /** 0 idle, 1 full; 0 where it was left out. */
  readonly applicationUtilization: number;
  readonly cpuUtilization: number;
  /** Since it was read. */
  readonly ageMs: number;
}

/** What policies weigh endpoints by. Source: gRFC A58. */
export interface PolicyLoad {
  /** `application_utilization`, or `cpu_utilization` where that is 0. */
  readonly utilization: number;
  /** `rps_fractional`: calls per second. */
  readonly qps: number;
  /** Errors per second. */
  readonly eps: number;
}

/** Hears what the endpoint of a key (`endpointKey`) has said of its load. */
export type Report = (key: string, load: PolicyLoad) => void;

/** Reads what the trailers of an answer say of the endpoint's load. */
export type ReadLoad = (endpoint: Endpoint, trailers: Fields) => void;

/** What endpoints say of their load, in the trailers of answers or when they are asked for it. Source: gRFC A51. */
export interface Loads {
  /**
   * A reader for one cluster, which tells `report` as well. Give it to calls only where {@link wantsLoad} or a limit
   * asks for it: it looks through the trailers of each.
   */
  reader(report?: Report): ReadLoad;
  /** Asks the endpoints of one cluster, and tells `report` as well. Asks nobody until it is told how often. */
  watcher(report: Report): LoadWatch;
  /** The last word of each endpoint that has said one since `withinMs` ago. */
  recent(withinMs: number): EndpointLoad[];
  /** Forgets an endpoint. */
  retire(key: string): void;
}

/** Whether a policy weighs endpoints by what their answers say of their load. */
export function wantsLoad({ policy, loadReportPeriodMs }: BalancingPolicy): boolean {
  if (loadReportPeriodMs !== undefined) return false;
  return policy.name === 'orca-weighted-round-robin' || policy.name === 'dynamic-weight';
}

/** Source: gRFC A51; `TrailerMetadataKey` of grpc-go's orca. */
const TRAILER = 'endpoint-load-metrics-bin';
/** Answers come by the thousand, while limits are about seconds and weights are made anew each second (gRFC A58). */
const MIN_INTERVAL_MS = 250;
/** A report has a few numbers; more of them would cost the thread what the limit is to save the endpoint. */
const MAX_BASE64_LENGTH = 4_096;

interface Kept {
  readonly applicationUtilization: number;
  readonly cpuUtilization: number;
  readonly atMs: number;
}

export function createLoads(clock: Clock): Loads {
  const kept = new Map<string, Kept>();

  function keep(endpoint: Endpoint, { qps, eps, ...load }: Decoded, atMs: number): PolicyLoad {
    const { applicationUtilization, cpuUtilization } = load;
    kept.set(endpointKey(endpoint), { ...load, atMs });
    return { utilization: applicationUtilization > 0 ? applicationUtilization : cpuUtilization, qps, eps };
  }

  const streams = new LoadStreams(clock, (endpoint, bytes) => {
    const decoded = decode(bytes);
    return decoded && keep(endpoint, decoded, clock.nowMs());
  });
  return {
    reader(report) {
      /** Of each reader, since an endpoint may stand in several clusters: a word to one must not hide from another. */
      const readMs = new WeakMap<Endpoint, number>();
      return (endpoint, trailers) => {
        const value = getField(trailers, TRAILER);
        if (value === undefined || value.length > MAX_BASE64_LENGTH) return;
        const atMs = clock.nowMs();
        const beforeMs = readMs.get(endpoint);
        if (beforeMs !== undefined && atMs - beforeMs < MIN_INTERVAL_MS) return;
        const decoded = decode(Buffer.from(value, 'base64'));
        if (decoded === undefined) return;
        readMs.set(endpoint, atMs);
        report?.(endpointKey(endpoint), keep(endpoint, decoded, atMs));
      };
    },
    watcher: (report) => createLoadWatch(streams, (endpoint, load) => report(endpointKey(endpoint), load)),
    recent(withinMs) {
      const nowMs = clock.nowMs();
      const reports: EndpointLoad[] = [];
      for (const [key, { atMs, ...report }] of kept) {
        if (nowMs - atMs <= withinMs) reports.push({ key, ...report, ageMs: nowMs - atMs });
      }
      return reports;
    },
    retire: (key) => void kept.delete(key),
  };
}

interface Decoded extends Omit<PolicyLoad, 'utilization'> {
  readonly applicationUtilization: number;
  readonly cpuUtilization: number;
}

/** Undefined for what is no report: an endpoint that writes nonsense is one without a report. */
function decode(bytes: Uint8Array): Decoded | undefined {
  try {
    const report = fromBinary(OrcaLoadReportSchema, bytes);
    const { applicationUtilization, cpuUtilization, rpsFractional: qps, eps } = report;
    const decoded = { applicationUtilization, cpuUtilization, qps, eps };
    return Object.values(decoded).every(isLoad) ? decoded : undefined;
  } catch {
    return undefined;
  }
}

/** More than 1 is lawful: an endpoint may say that it is over its own limit. */
function isLoad(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}
