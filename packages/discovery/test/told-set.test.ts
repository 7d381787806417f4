import { createVirtualClock, endpointKey, type Endpoint } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SourceChange } from '../src/source.ts';
import type { Answer } from '../src/sources/feed.ts';
import { createToldSet } from '../src/sources/told-set.ts';
import { createEndpoint } from './contract/endpoints.ts';

const clock = createVirtualClock();
const [a, b, c, d] = [1, 2, 3, 4].map((number) => createEndpoint(number)) as [Endpoint, Endpoint, Endpoint, Endpoint];
const at = (incarnation: number, overrides: Partial<Endpoint> = {}): Endpoint =>
  createEndpoint(1, { incarnation, ...overrides });

function lines(changes: readonly SourceChange[]): string[] {
  return changes.map((change) => {
    if (change.type === 'remove') return `remove ${change.key} ${change.cause}`;
    return change.type === 'doubt' ? `doubt ${change.key}` : `${change.type} ${endpointKey(change.endpoint)}`;
  });
}

/** A set that has told these in one answer. */
function setOf(...endpoints: Endpoint[]) {
  const set = createToldSet(clock);
  set.answer({ endpoints, history: 'same' });
  const answer = (history: Answer['history'], ...present: Endpoint[]): string[] =>
    lines(set.answer({ endpoints: present, history }));
  return { set, answer };
}

describe('an answer', () => {
  it('tells what is new and what has changed, and nothing else', () => {
    const { answer } = setOf(a, b);
    expect(answer('same', a, { ...b, weight: 9 }, c)).toEqual(['update places-2#7', 'insert places-3#7']);
    expect(answer('same', a, { ...b, weight: 9 }, c)).toEqual([]);
  });

  it('that continues a history removes at once who is missing, up to half of the set', () => {
    expect(setOf(a, b).answer('same', a)).toEqual(['remove places-2#7 not-in-source']);
  });

  it('that lacks more than half must be confirmed by a second', () => {
    const { answer } = setOf(a, b, c);
    expect(answer('same', a)).toEqual(['doubt places-2#7', 'doubt places-3#7']);
    expect(answer('same', a, b)).toEqual(['update places-2#7', 'remove places-3#7 not-in-source']);
  });

  it('without a history must be confirmed by a second, and by a third for more than half', () => {
    const one = setOf(a, b);
    expect(one.answer('none', a)).toEqual(['doubt places-2#7']);
    expect(one.answer('none', a)).toEqual(['remove places-2#7 not-in-source']);
    const most = setOf(a, b, c);
    expect(most.answer('none', a)).toEqual(['doubt places-2#7', 'doubt places-3#7']);
    expect(most.answer('none', a)).toEqual([]);
    expect(most.answer('none', a)).toEqual(['remove places-2#7 not-in-source', 'remove places-3#7 not-in-source']);
  });

  it('starts to count again for who was listed in between', () => {
    const { answer } = setOf(a, b);
    expect(answer('none', a)).toEqual(['doubt places-2#7']);
    expect(answer('none', a, b)).toEqual(['update places-2#7']);
    expect(answer('none', a)).toEqual(['doubt places-2#7']);
  });

  it.each(['same', 'none', 'new'] as const)('that is empty only doubts, however often (%s)', (history) => {
    const { answer } = setOf(a, b);
    expect(answer(history)).toEqual(['doubt places-1#7', 'doubt places-2#7']);
    for (let times = 0; times < 5; times++) expect(answer(history)).toEqual([]);
    expect(answer(history, a, b)).toEqual(['update places-1#7', 'update places-2#7']);
  });

  it('of a system that started anew only doubts, and so do those that continue it', () => {
    const { answer } = setOf(a, b);
    expect(answer('new', c)).toEqual(['insert places-3#7', 'doubt places-1#7', 'doubt places-2#7']);
    expect(answer('same', c, d)).toEqual(['insert places-4#7']);
    expect(answer('same', a, c, d)).toEqual(['update places-1#7']);
    // From here on the new history has it, so missing from it means something.
    expect(answer('same', c, d)).toEqual(['remove places-1#7 not-in-source']);
  });

  it('of who decides removes whoever is missing, all of them too', () => {
    const { answer } = setOf(a, b, c);
    expect(answer('decided', a)).toEqual(['remove places-2#7 not-in-source', 'remove places-3#7 not-in-source']);
    expect(answer('decided')).toEqual(['remove places-1#7 not-in-source']);
  });

  it('keeps whose record cannot be read, and is not empty by that', () => {
    const { set } = setOf(a, b, c);
    const unreadable = ['places-1', 'places-2'];
    expect(lines(set.answer({ endpoints: [], unreadable, history: 'same' }))).toEqual([
      'remove places-3#7 not-in-source',
    ]);
    expect(lines(set.answer({ endpoints: [], unreadable, history: 'same' }))).toEqual([]);
  });

  it('in which nothing can be read is empty', () => {
    const { set } = setOf(a);
    for (let times = 0; times < 3; times++) set.answer({ endpoints: [], unreadable: ['places-9'], history: 'same' });
    expect(lines(set.put(a))).toEqual(['update places-1#7']);
  });

  it('counts half without those of an old history', () => {
    const { set, answer } = setOf(a, b, c, d);
    answer('new', a, b);
    expect(answer('same', a)).toEqual(['remove places-2#7 not-in-source']);
    expect(lines(set.put(c))).toEqual(['update places-3#7']);
  });

  it('in another scope takes over whom it lists', () => {
    const set = createToldSet(clock);
    set.answer({ endpoints: [a, b], history: 'same', scope: 'x' });
    set.answer({ endpoints: [a], history: 'same', scope: 'y' });
    expect(lines(set.answer({ endpoints: [b], history: 'same', scope: 'x' }))).toEqual([]);
    expect(lines(set.answer({ endpoints: [], history: 'same', scope: 'y' }))).toEqual(['doubt places-1#7']);
  });

  it('that lacks most of its scope is confirmed within it', () => {
    const set = createToldSet(clock);
    const hear = (scope: string, ...endpoints: Endpoint[]): string[] =>
      lines(set.answer({ endpoints, history: 'same', scope }));
    hear('x', a);
    hear('y', b, c, d);
    expect(hear('y', b)).toEqual(['doubt places-3#7', 'doubt places-4#7']);
    expect(hear('x', a)).toEqual([]);
    expect(hear('y', b)).toEqual(['remove places-3#7 not-in-source', 'remove places-4#7 not-in-source']);
  });

  it('is about its scope alone', () => {
    const set = createToldSet(clock);
    set.answer({ endpoints: [a, b], history: 'same', scope: 'x' });
    expect(lines(set.answer({ endpoints: [c], history: 'same', scope: 'y' }))).toEqual(['insert places-3#7']);
    expect(lines(set.answer({ endpoints: [], history: 'same', scope: 'y' }))).toEqual(['doubt places-3#7']);
    expect(lines(set.answer({ endpoints: [b], history: 'same', scope: 'x' }))).toEqual([
      'remove places-1#7 not-in-source',
    ]);
  });

  it('that lists somebody twice tells one of them, and the same at every turn', () => {
    const { answer } = setOf(a);
    expect(answer('same', a, { ...a, weight: 2 })).toEqual(['update places-1#7']);
    expect(answer('same', a, { ...a, weight: 2 })).toEqual([]);
  });
});

describe('an explicit removal', () => {
  it('counts always, the last one too, and once', () => {
    const { set } = setOf(a);
    expect(lines(set.remove('places-1#7', 'deregistered'))).toEqual(['remove places-1#7 deregistered']);
    expect(lines(set.remove('places-1#7', 'deregistered'))).toEqual([]);
    expect(lines(set.removeInstance('places-1', 'deregistered'))).toEqual([]);
  });

  it('may mean an instance', () => {
    const { set } = setOf(a, b);
    expect(lines(set.removeInstance('places-2', 'lease-expired'))).toEqual(['remove places-2#7 lease-expired']);
  });
});

describe('leases that run out', () => {
  const expire = (set: ReturnType<typeof createToldSet>, ...endpoints: Endpoint[]): string[] =>
    endpoints.flatMap((endpoint) => lines(set.remove(endpointKey(endpoint), 'lease-expired')));

  it('take up to half of the set, and the last one when it is alone', () => {
    const { set } = setOf(a, b, c, d);
    expect(expire(set, a, b)).toEqual(['remove places-1#7 lease-expired', 'remove places-2#7 lease-expired']);
    clock.advance(60_000);
    expect(expire(set, c)).toEqual(['remove places-3#7 lease-expired']);
    clock.advance(60_000);
    expect(expire(set, d)).toEqual(['remove places-4#7 lease-expired']);
  });

  it('together leave who lives where more than half would go', () => {
    const { set, answer } = setOf(a, b, c);
    expect(expire(set, a)).toEqual(['remove places-1#7 lease-expired']);
    clock.advance(5_000);
    expect(expire(set, b, c)).toEqual(['doubt places-2#7', 'doubt places-3#7']);
    expect(expire(set, b)).toEqual([]);
    // The history has dropped them: that it goes on without them says nothing new.
    for (let times = 0; times < 3; times++) expect(answer('same', d)).toEqual(times === 0 ? ['insert places-4#7'] : []);
    expect(lines(set.put(b))).toEqual(['update places-2#7']);
    expect(lines(set.remove('places-3#7', 'deregistered'))).toEqual(['remove places-3#7 deregistered']);
  });

  it('count no more when they are told again, or long ago', () => {
    const { set } = setOf(a, b, c);
    expire(set, a, b);
    expect([...lines(set.put(a)), ...lines(set.put(b))]).toEqual(['insert places-1#7', 'update places-2#7']);
    expect(expire(set, c)).toEqual(['remove places-3#7 lease-expired']);
    clock.advance(60_000);
    expect(expire(set, b)).toEqual(['remove places-2#7 lease-expired']);
  });

  it('leave whoever deregisters to go, however many', () => {
    const { set } = setOf(a, b, c);
    const gone = [a, b, c].flatMap((endpoint) => lines(set.remove(endpointKey(endpoint), 'deregistered')));
    expect(gone).toHaveLength(3);
    expect(gone.every((line) => line.startsWith('remove'))).toBe(true);
  });
});

describe('incarnations of one instance', () => {
  it('replace each other, the new one first', () => {
    const { set } = setOf(at(4));
    expect(lines(set.put(at(5)))).toEqual(['insert places-1#5', 'remove places-1#4 replaced']);
  });

  it.each([
    [4, 5],
    [5, 4],
  ])('listed together (%i, %i) are the newest, at every turn', (...incarnations) => {
    const set = createToldSet(clock);
    const endpoints = incarnations.map((incarnation) => at(incarnation));
    expect(lines(set.answer({ endpoints, history: 'same' }))).toEqual(['insert places-1#5']);
    expect(lines(set.answer({ endpoints, history: 'same' }))).toEqual([]);
  });

  it('that are older do not win, whether put or listed', () => {
    const { set, answer } = setOf(at(5));
    expect(lines(set.put(at(4)))).toEqual([]);
    expect(answer('same', at(4), at(5))).toEqual([]);
  });

  it('that are older are all there is once the newer one has left', () => {
    const { set } = setOf(at(5));
    set.put(at(4));
    expect(lines(set.remove('places-1#5', 'lease-expired'))).toEqual([
      'insert places-1#4',
      'remove places-1#5 lease-expired',
    ]);
  });

  it('that are older need not wait for a newer one that is not listed any more', () => {
    const { answer } = setOf(at(5), b);
    expect(answer('none', at(4), b)).toEqual(['doubt places-1#5', 'insert places-1#4']);
    expect(answer('none', at(5), b)).toEqual(['update places-1#5', 'remove places-1#4 replaced']);
  });

  it('that are older come back newest first', () => {
    const { set } = setOf(at(5));
    expect(lines(set.answer({ endpoints: [at(4), at(3)], history: 'same' }))).toEqual([
      'doubt places-1#5',
      'insert places-1#4',
    ]);
  });

  it('that left in the shadow stay away', () => {
    const { set } = setOf(at(5));
    set.put(at(4));
    expect(lines(set.remove('places-1#4', 'deregistered'))).toEqual([]);
    expect(lines(set.remove('places-1#5', 'deregistered'))).toEqual(['remove places-1#5 deregistered']);
    set.put(at(5));
    set.put(at(4));
    expect(lines(set.removeInstance('places-1', 'deregistered'))).toEqual(['remove places-1#5 deregistered']);
  });

  it('that are not listed in the shadow any more stay away', () => {
    const { set, answer } = setOf(at(5), b);
    set.answer({ endpoints: [at(4), at(5), b], history: 'same' });
    answer('same', at(5), b);
    expect(lines(set.remove('places-1#5', 'deregistered'))).toEqual(['remove places-1#5 deregistered']);
  });
});

it('knows which digests are named, and keeps the object while they are the same', () => {
  const set = createToldSet(clock);
  set.put({ ...a, schemaDigest: 'x' });
  set.put({ ...b, schemaDigest: 'x' });
  const first = set.digests();
  expect([...first]).toEqual(['x']);
  set.put({ ...b, schemaDigest: 'x', weight: 3 });
  set.remove('places-1#7', 'deregistered');
  expect(set.digests()).toBe(first);
  set.put({ ...b, schemaDigest: 'y' });
  expect([...set.digests()]).toEqual(['y']);
  set.put({ ...b, schemaDigest: '' });
  expect([...set.digests()]).toEqual([]);
});

type Step =
  | { readonly type: 'answer'; readonly answer: Answer }
  | { readonly type: 'put'; readonly endpoint: Endpoint }
  | { readonly type: 'remove'; readonly key: string }
  | { readonly type: 'removeInstance'; readonly instanceId: string };

const endpointArb = fc
  .record({
    number: fc.integer({ min: 1, max: 4 }),
    incarnation: fc.integer({ min: 1, max: 3 }),
    weight: fc.integer({ min: 1, max: 2 }),
    schemaDigest: fc.constantFrom('', 'x', 'y'),
  })
  .map(({ number, ...rest }) => createEndpoint(number, rest));
const stepArb: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('answer' as const),
      answer: fc.record({
        endpoints: fc.array(endpointArb, { maxLength: 5 }),
        unreadable: fc.array(fc.constantFrom('places-1', 'places-2'), { maxLength: 1 }),
        history: fc.constantFrom('same', 'same', 'none', 'new', 'decided'),
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('put' as const), endpoint: endpointArb }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const), key: endpointArb.map(endpointKey) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('removeInstance' as const), instanceId: fc.constantFrom('places-1') }),
  },
);

/** What follows from the changes alone, and breaches of what must always hold. */
class Follower {
  readonly set = new Map<string, Endpoint>();
  readonly doubted = new Set<string>();
  readonly broken: string[] = [];

  follow(changes: readonly SourceChange[]): void {
    for (const change of changes) {
      const key = 'key' in change ? change.key : endpointKey(change.endpoint);
      if (this.set.has(key) !== (change.type !== 'insert')) this.broken.push(`${change.type} ${key}`);
      if (change.type === 'doubt') {
        if (this.doubted.has(key)) this.broken.push(`${key} doubted twice`);
        this.doubted.add(key);
        continue;
      }
      this.doubted.delete(key);
      if (change.type === 'remove') this.set.delete(key);
      else this.set.set(key, change.endpoint);
    }
  }

  /** The told ones of an instance. */
  told(instanceId: string): Endpoint[] {
    return [...this.set]
      .filter(([key]) => !this.doubted.has(key))
      .flatMap(([, endpoint]) => {
        return endpoint.instanceId === instanceId ? [endpoint] : [];
      });
  }
}

function apply(set: ReturnType<typeof createToldSet>, step: Step): SourceChange[] {
  if (step.type === 'answer') return set.answer(step.answer);
  if (step.type === 'put') return set.put(step.endpoint);
  if (step.type === 'remove') return set.remove(step.key, 'deregistered');
  return set.removeInstance(step.instanceId, 'deregistered');
}

describe('any walk', () => {
  const walk = (check: (follower: Follower, step: Step, changes: readonly SourceChange[], before: Follower) => void) =>
    fc.assert(
      fc.property(fc.array(stepArb, { maxLength: 30 }), (steps) => {
        const set = createToldSet(clock);
        const follower = new Follower();
        for (const step of steps) {
          const before = new Follower();
          for (const [key, endpoint] of follower.set) before.set.set(key, endpoint);
          const changes = apply(set, step);
          follower.follow(changes);
          check(follower, step, changes, before);
        }
        const named = [...follower.set.values()].map(({ schemaDigest }) => schemaDigest).filter((d) => d !== '');
        expect([...set.digests()].sort()).toEqual([...new Set(named)].sort());
      }),
      fuzzing(1_000),
    );

  it(
    'keeps the law of changes, and tells one incarnation per instance at most',
    { timeout: fuzzTimeoutMs(20_000) },
    () =>
      walk((follower) => {
        expect(follower.broken).toEqual([]);
        for (const id of ['places-1', 'places-2', 'places-3', 'places-4']) {
          expect(follower.told(id).length).toBeLessThanOrEqual(1);
        }
      }),
  );

  it('tells whoever was listed last, unless a newer one is', { timeout: fuzzTimeoutMs(20_000) }, () =>
    walk((follower, step) => {
      if (step.type !== 'answer') return;
      for (const { instanceId, incarnation } of step.answer.endpoints) {
        expect(follower.told(instanceId)[0]?.incarnation).toBeGreaterThanOrEqual(incarnation);
      }
    }),
  );

  it('empties no set by an answer that is empty or starts anew', { timeout: fuzzTimeoutMs(20_000) }, () =>
    walk((follower, step, changes, before) => {
      if (step.type !== 'answer' || step.answer.history === 'decided') return;
      const { endpoints, history } = step.answer;
      const removals = changes.filter((change) => change.type === 'remove' && change.cause === 'not-in-source');
      if (history === 'new' || (endpoints.length === 0 && step.answer.unreadable?.length === 0)) {
        expect(removals).toEqual([]);
      }
      if (before.set.size > 0) expect(follower.set.size).toBeGreaterThan(0);
    }),
  );

  it('is exactly what was decided', { timeout: fuzzTimeoutMs(20_000) }, () =>
    walk((follower, step) => {
      if (step.type !== 'answer' || step.answer.history !== 'decided') return;
      const { endpoints, unreadable = [] } = step.answer;
      const listed = new Set(endpoints.map(({ instanceId }) => instanceId).concat(unreadable));
      expect([...follower.set.values()].filter(({ instanceId }) => !listed.has(instanceId))).toEqual([]);
      expect([...follower.doubted].filter((key) => !unreadable.includes(key.split('#')[0] as string))).toEqual([]);
    }),
  );
});
