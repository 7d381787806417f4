import { create } from '@bufbuild/protobuf';
import { EventSchema } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { describe, expect, it } from 'vitest';
import { createEventLog } from '../src/registry/event-log.ts';

const EPOCH = 7n;

function logOf(events: number, capacity: number) {
  const log = createEventLog(EPOCH, capacity);
  for (let n = 0; n < events; n++) log.append({ key: 'a', event: create(EventSchema), before: [], after: [] });
  return log;
}

describe('an event log', () => {
  it('gives each event after a revision, exactly as far back as it reaches', () => {
    // The fourth event trims to the last two, which have revisions 4 and 5.
    const log = logOf(4, 2);
    expect(log.revision()).toBe(5n);
    expect(log.since(EPOCH, 5n)).toEqual([]);
    expect(log.since(EPOCH, 4n)?.map((entry) => entry.revision)).toEqual([5n]);
    expect(log.since(EPOCH, 3n)?.map((entry) => entry.revision)).toEqual([4n, 5n]);
    expect(log.since(EPOCH, 2n)).toBeUndefined();
    expect(log.since(EPOCH, 6n)).toBeUndefined();
    expect(log.since(EPOCH + 1n, 5n)).toBeUndefined();
  });

  it('resumes an empty history at its revision only', () => {
    const log = logOf(0, 2);
    expect([log.since(EPOCH, 1n), log.since(EPOCH, 0n), log.since(EPOCH, 2n)]).toEqual([[], undefined, undefined]);
  });
});
