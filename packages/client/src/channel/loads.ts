import { fromBinary } from '@bufbuild/protobuf';
import {
  endpointKey,
  getField,
  type Body,
  type CallError,
  type Clock,
  type Endpoint,
  type Fields,
  type Lease,
  type Outcome,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
} from '@bascule/core';
import { OrcaLoadReportSchema } from '@bascule/schema/gen/peers/xds/orca_pb.ts';

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

/** What endpoints say of their load in the trailers of answers. Source: gRFC A51. */
export interface Loads {
  /** The lease with a look at the end of its call; for services with a limit only, since it costs an object per call. */
  watch(lease: Lease): Lease;
  /** The last word of each endpoint that has said one since `withinMs` ago. */
  recent(withinMs: number): EndpointLoad[];
  /** Forgets an endpoint. */
  retire(key: string): void;
}

const TRAILER = 'endpoint-load-metrics-bin';
/** Answers come by the thousand, and a limit is about seconds. */
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

  function read(endpoint: Endpoint, trailers: Fields): void {
    const value = getField(trailers, TRAILER);
    if (value === undefined || value.length > MAX_BASE64_LENGTH) return;
    const key = endpointKey(endpoint);
    const atMs = clock.nowMs();
    const before = kept.get(key);
    if (before !== undefined && atMs - before.atMs < MIN_INTERVAL_MS) return;
    const report = decode(value);
    if (report !== undefined) kept.set(key, { ...report, atMs });
  }

  return {
    watch: (lease) => new WatchedLease(lease, read),
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

/** Undefined for what is no report: an endpoint that writes nonsense is one without a report. */
function decode(base64: string): Omit<Kept, 'atMs'> | undefined {
  try {
    const report = fromBinary(OrcaLoadReportSchema, Buffer.from(base64, 'base64'));
    const { applicationUtilization, cpuUtilization } = report;
    return isLoad(applicationUtilization) && isLoad(cpuUtilization)
      ? { applicationUtilization, cpuUtilization }
      : undefined;
  } catch {
    return undefined;
  }
}

/** More than 1 is lawful: an endpoint may say that it is over its own limit. */
function isLoad(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}

type Read = (endpoint: Endpoint, trailers: Fields) => void;

class WatchedLease implements Lease {
  readonly endpoint: Endpoint;
  readonly service: Service;
  readonly #lease: Lease;

  constructor(lease: Lease, read: Read) {
    const { endpoint, service } = lease;
    this.#lease = lease;
    this.endpoint = endpoint;
    this.service = (head: RequestHead, reply: Reply): Body => service(head, new WatchedReply(reply, endpoint, read));
  }

  answered(): void {
    this.#lease.answered();
  }

  moved(): void {
    this.#lease.moved();
  }

  release(outcome: Outcome): void {
    this.#lease.release(outcome);
  }
}

class WatchedReply implements Reply {
  readonly #reply: Reply;
  readonly #endpoint: Endpoint;
  readonly #read: Read;

  constructor(reply: Reply, endpoint: Endpoint, read: Read) {
    this.#reply = reply;
    this.#endpoint = endpoint;
    this.#read = read;
  }

  head(head: ResponseHead): void {
    this.#reply.head(head);
  }

  write(bytes: Uint8Array): void {
    this.#reply.write(bytes);
  }

  grant(bytes: number): void {
    this.#reply.grant(bytes);
  }

  end(trailers: Fields): void {
    this.#read(this.#endpoint, trailers);
    this.#reply.end(trailers);
  }

  fail(error: CallError): void {
    this.#reply.fail(error);
  }
}
