import { createVirtualClock, endpointKey, type Change, type Endpoint, type RemovalCause } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMembership } from '../../src/membership/create-membership.ts';
import type { Joined, Verdict } from '../../src/membership/membership.ts';
import type { SourceChange } from '../../src/source.ts';
import { createEndpoint } from '../rig.ts';
import { Model } from './model.ts';

const LIMIT_MS = 1_000;
const RANKS: Readonly<Record<string, number>> = { a: 0, b: 0, c: 1 };

const endpointArb = fc
  .record({
    instanceId: fc.constantFrom('i1', 'i2', 'i3', 'i4'),
    incarnation: fc.integer({ min: 1, max: 3 }),
    host: fc.constantFrom('x', 'X', 'y', 'z'),
    weight: fc.constantFrom(1, 1, 2),
    health: fc.constantFrom(undefined, undefined, 'failing' as const, 'draining' as const),
  })
  .map(({ health, ...rest }) => createEndpoint({ ...rest, ...(health !== undefined && { health }) }));
const keyArb = endpointArb.map(endpointKey);
const causeArb = fc.constantFrom<RemovalCause>('deregistered', 'replaced', 'retired', 'lease-expired', 'not-in-source');
const changeArb: fc.Arbitrary<SourceChange> = fc.oneof(
  { weight: 4, arbitrary: endpointArb.map((endpoint) => ({ type: 'insert' as const, endpoint })) },
  { weight: 2, arbitrary: keyArb.map((key) => ({ type: 'doubt' as const, key, why: 'missing' })) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('remove' as const), key: keyArb, cause: causeArb }) },
);
const verdictArb: fc.Arbitrary<Verdict> = fc.constantFrom<Verdict>(
  { verdict: 'passing' },
  { verdict: 'unknown' },
  { verdict: 'failing', why: 'refused' },
  { verdict: 'failing', why: 'refused' },
  { verdict: 'pending', why: 'no answer yet' },
  { verdict: 'overloaded', why: 'full' },
);
const sourceArb = fc.constantFrom('a', 'b', 'c');

type Step =
  | { type: 'join'; source: string; known: Endpoint[] }
  | { type: 'leave'; source: string }
  | { type: 'changes'; source: string; changes: SourceChange[] }
  | { type: 'status'; source: string; state: 'connected' | 'stale' }
  /** Of the member at this place in the list. */
  | { type: 'report'; at: number; verdict: Verdict }
  | { type: 'pass'; byMs: number };

const stepArb: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('join' as const),
      source: sourceArb,
      known: fc.array(endpointArb, { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('leave' as const), source: sourceArb }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('changes' as const),
      source: sourceArb,
      changes: fc.array(changeArb, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('status' as const),
      source: sourceArb,
      state: fc.constantFrom('connected' as const, 'connected' as const, 'stale' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('report' as const),
      at: fc.integer({ min: 0, max: 5 }),
      verdict: verdictArb,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('pass' as const), byMs: fc.constantFrom(1, 400, 999, 1_000) }),
  },
);

/** A membership and a model side by side, with the set that the emitted changes make. */
function createPair() {
  const clock = createVirtualClock();
  const model = new Model(LIMIT_MS);
  const emitted = new Map<string, Endpoint>();
  const broken: string[] = [];
  let batch: readonly Change[] = [];
  const follow = (change: Change): void => {
    const key = change.type === 'remove' ? change.key : endpointKey(change.endpoint);
    if (emitted.has(key) !== (change.type !== 'insert')) broken.push(`${change.type} ${key}`);
    if (change.type === 'remove') emitted.delete(key);
    else emitted.set(key, change.endpoint);
  };
  const membership = createMembership({
    clock,
    absentLimitMs: LIMIT_MS,
    onChange(changes) {
      if (changes.length === 0) broken.push('an empty batch');
      const firstRemoval = changes.findIndex(({ type }) => type === 'remove');
      const lastOther = changes.findLastIndex(({ type }) => type !== 'remove');
      if (firstRemoval !== -1 && lastOther > firstRemoval) broken.push('something leaves before what takes its place');
      batch = [...batch, ...changes];
      changes.forEach(follow);
    },
  });
  const joined = new Map<string, Joined>();

  function step(step: Step): void {
    switch (step.type) {
      case 'join':
        if (joined.has(step.source)) return;
        model.join(step.source, RANKS[step.source] as number, step.known, clock.nowMs());
        joined.set(
          step.source,
          membership.join({ name: step.source, rank: RANKS[step.source] as number, known: step.known }),
        );
        return;
      case 'leave':
        if (joined.has(step.source)) model.leave(step.source, clock.nowMs());
        joined.get(step.source)?.leave();
        joined.delete(step.source);
        return;
      case 'changes':
        if (joined.has(step.source)) model.changes(step.source, step.changes, clock.nowMs());
        joined.get(step.source)?.listener.changes(step.changes);
        return;
      case 'status': {
        const status = { state: step.state, sinceMs: clock.wallMs() };
        if (joined.has(step.source)) model.status(step.source, step.state === 'connected', clock.nowMs());
        joined.get(step.source)?.listener.status(status);
        return;
      }
      case 'report': {
        const key = membership.members()[step.at]?.key;
        if (key === undefined) return;
        model.report(key, step.verdict, clock.nowMs());
        membership.report(key, step.verdict);
        return;
      }
      case 'pass':
        // One by one, as due times may lie in between.
        for (let ms = 0; ms < step.byMs; ms++) {
          clock.advance(1);
          model.pass(clock.nowMs());
        }
        return;
    }
  }
  return {
    clock,
    model,
    membership,
    emitted,
    broken,
    step(next: Step): readonly Change[] {
      batch = [];
      step(next);
      return batch;
    },
  };
}

type Pair = ReturnType<typeof createPair>;

function expectSame({ membership, model, emitted, broken }: Pair): void {
  expect(broken).toEqual([]);
  const members = membership.members();
  expect(new Map(members.map(({ key, endpoint }) => [key, endpoint]))).toEqual(emitted);
  const told = members.map(({ key, endpoint, presence, sources }) => [key, { endpoint, presence, sources }] as const);
  expect(new Map(told)).toEqual(model.members());
  expect(membership.counters().conflicts).toBe(model.conflicts);
  expect(membership.removals().filter(({ source }) => source === '')).toEqual([]);
}

/** Whatever has come, nobody leaves without a word, a check or time. */
function expectStability(step: Step, changes: readonly Change[], before: readonly string[], pair: Pair): void {
  const gone = changes.flatMap((change) => (change.type === 'remove' ? [change] : []));
  const isDoubtOnly = step.type === 'changes' && step.changes.every(({ type }) => type === 'doubt');
  if (step.type === 'join' || step.type === 'status' || isDoubtOnly) {
    expect(gone.filter(({ cause }) => !['absent-and-failing', 'replaced', 'same-address'].includes(cause))).toEqual([]);
    // The place of one that is replaced is taken.
    if (gone.every(({ cause }) => cause !== 'absent-and-failing') && before.length > 0) {
      expect(pair.emitted.size).toBeGreaterThan(0);
    }
  }
  if (step.type !== 'changes' || !pair.model.has(step.source)) return;
  for (const change of step.changes.slice(-1)) {
    if (change.type !== 'remove' || !['deregistered', 'replaced', 'retired'].includes(change.cause)) continue;
    expect(pair.emitted.has(change.key)).toBe(false);
  }
}

describe('a membership', () => {
  it(
    'is what a plain model makes of every sequence of words, verdicts and time',
    { timeout: fuzzTimeoutMs(20_000) },
    () => {
      fc.assert(
        fc.property(fc.array(stepArb, { minLength: 1, maxLength: 60, size: 'max' }), (steps) => {
          const pair = createPair();
          try {
            for (const step of steps) {
              const before = [...pair.emitted.keys()];
              const changes = pair.step(step);
              expectSame(pair);
              expectStability(step, changes, before, pair);
            }
          } finally {
            pair.membership.close();
          }
          expect(pair.clock.pending()).toBe(0);
        }),
        fuzzing(100),
      );
    },
  );
});
