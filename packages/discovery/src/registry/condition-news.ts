import { create } from '@bufbuild/protobuf';
import { EndpointSchema, type Condition } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { compareConditions, toSoundCondition, toToldCondition } from './condition.ts';
import { toRecord, type EndpointRecord, type Lease } from './lease.ts';

/** When what instances say of how they are is told: at once where it decides about calls, else once a second at most. */
export interface ConditionNews {
  /** An instance says how it is. */
  hear(lease: Lease, condition: Condition): void;
  /** Nothing of it is left to tell: it is gone, or all of its record was told. */
  settle(lease: Lease): void;
  /** Tells whatever has waited for long enough. */
  tick(nowMs: number): void;
}

/** A utilization is told at most this often of one instance. */
const TELL_INTERVAL_MS = 1_000;

/** `tell` makes a record the one that is told. */
export function createConditionNews(options: {
  nowMs: () => number;
  tell: (lease: Lease, record: EndpointRecord) => void;
}): ConditionNews {
  /** Leases with a utilization that is to be told once its second is over. */
  const untold = new Set<Lease>();

  function tell(lease: Lease): void {
    untold.delete(lease);
    if (lease.condition === undefined) return;
    const condition = toToldCondition(lease.condition);
    options.tell(lease, toRecord(create(EndpointSchema, { ...lease.record.endpoint, condition })));
  }

  function isDue(lease: Lease, nowMs: number): boolean {
    return nowMs - lease.toldAtMs >= TELL_INTERVAL_MS;
  }

  return {
    hear(lease, condition) {
      const next = toSoundCondition(condition);
      lease.condition = next;
      const news = compareConditions(lease.record.endpoint.condition, next);
      if (news === 'none') untold.delete(lease);
      else if (news === 'at-once' || isDue(lease, options.nowMs())) tell(lease);
      else untold.add(lease);
    },
    settle: (lease) => void untold.delete(lease),
    tick(nowMs) {
      for (const lease of untold) if (isDue(lease, nowMs)) tell(lease);
    },
  };
}
