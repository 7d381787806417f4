import { createVirtualClock, type Endpoint } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Feed, SourceDriver } from '../src/sources/feed.ts';
import { createSource } from '../src/sources/create-source.ts';
import { createEndpoint } from './contract/endpoints.ts';
import { record } from './contract/recorder.ts';

const [a, b] = [createEndpoint(1), createEndpoint(2)];
/** More than any delay between sessions. */
const LONG_MS = 20_000;

interface Session {
  readonly feed: Feed;
  readonly signal: AbortSignal;
  fail(words: string): Promise<void>;
  finish(): Promise<void>;
}

/** A driver whose sessions are played by the test. */
function createPlayed() {
  const sessions: Session[] = [];
  const wanted: string[][] = [];
  let closed = 0;
  const driver: SourceDriver = {
    follow(feed, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => resolve());
      sessions.push({
        feed,
        signal,
        fail: (words) => settle(() => reject(new Error(words))),
        finish: () => settle(resolve),
      });
      return promise;
    },
    wantSchemas: (digests) => void wanted.push([...digests]),
    close() {
      closed++;
      return Promise.resolve();
    },
  };
  return { driver, sessions, wanted, closed: () => closed, last: () => sessions.at(-1) as Session };
}

/** Long enough for everything that follows in promises. */
async function settle(act: () => void): Promise<void> {
  act();
  await new Promise(setImmediate);
}

function play(schemas = new Map<string, Uint8Array>()) {
  const clock = createVirtualClock(1, 1_000);
  const played = createPlayed();
  const source = createSource({ driver: played.driver, clock, schemas });
  return { clock, ...played, source, seen: record(source), pass: (byMs: number) => settle(() => clock.advance(byMs)) };
}

describe('what a source told before a start', () => {
  const remembering = (...known: Endpoint[]) => {
    const { driver, last, wanted } = createPlayed();
    const source = createSource({ driver, clock: createVirtualClock() });
    const lines: string[] = [];
    source.start(
      {
        changes(changes) {
          lines.push(
            ...changes.map((change) =>
              'endpoint' in change ? `${change.type} ${change.endpoint.instanceId}` : `${change.type} ${change.key}`,
            ),
          );
        },
        status() {},
        schema() {},
        warning() {},
      },
      known,
    );
    return { feed: last().feed, wanted, lines: () => lines.splice(0) };
  };

  it('has left when the one who decides does not list it any more, all of it as well', () => {
    const { feed, lines } = remembering(a, b);
    feed.answer({ endpoints: [a], history: 'decided' });
    expect(lines()).toEqual(['update places-1', 'remove places-2#7']);
    const all = remembering(a, b);
    all.feed.answer({ endpoints: [], history: 'decided' });
    expect(all.lines()).toEqual(['remove places-1#7', 'remove places-2#7']);
  });

  it('has left after as many answers without it as always, where there is no history', () => {
    const { feed, lines } = remembering(a, b);
    feed.answer({ endpoints: [a], history: 'none' });
    expect(lines()).toEqual(['update places-1']);
    feed.answer({ endpoints: [a], history: 'none' });
    expect(lines()).toEqual(['remove places-2#7']);
  });

  it.each(['new', 'same'] as const)('stays doubted in a history (%s), and leaves when it is said to', (history) => {
    const { feed, lines } = remembering(a, b);
    const c = createEndpoint(3);
    feed.answer({ endpoints: [c], history });
    for (const next of ['same', 'same', 'none', 'none', 'none'] as const)
      feed.answer({ endpoints: [c], history: next });
    expect(lines()).toEqual(['insert places-3']);
    feed.removeInstance('places-1', 'deregistered');
    feed.put(createEndpoint(2, { incarnation: 9 }));
    expect(lines()).toEqual(['remove places-1#7', 'insert places-2', 'remove places-2#7']);
  });

  it('keeps its descriptors', () => {
    const { wanted } = remembering({ ...a, schemaDigest: 'sha256:1' });
    expect(wanted).toEqual([['sha256:1']]);
  });
});

describe('a source', () => {
  it('says how it stands, since when, and why', async () => {
    const { clock, seen, source, last, pass } = play();
    const at = clock.wallMs();
    expect(seen.statuses).toEqual([{ state: 'connecting', sinceMs: at }]);
    clock.advance(5);
    last().feed.answer({ endpoints: [a], history: 'same' });
    last().feed.connected();
    clock.advance(5);
    await last().fail('gone away');
    expect(seen.statuses.slice(1)).toEqual([
      { state: 'connected', sinceMs: at + 5 },
      { state: 'stale', sinceMs: at + 10, error: 'gone away' },
    ]);
    await pass(LONG_MS);
    await last().fail('still away');
    expect(source.status()).toEqual({ state: 'stale', sinceMs: at + 10, error: 'still away' });
    await pass(LONG_MS);
    last().feed.connected();
    expect(source.status().error).toBeUndefined();
    expect(seen.statuses.at(-1)).toEqual(source.status());
  });

  it('keeps what it was told over sessions, and tells only what is news', async () => {
    const { seen, last, pass } = play();
    last().feed.answer({ endpoints: [a, b], history: 'same' });
    await last().fail('gone');
    await pass(LONG_MS);
    last().feed.answer({ endpoints: [a, { ...b, weight: 9 }], history: 'same' });
    expect(seen.log).toEqual(['insert places-1#7', 'insert places-2#7', 'update places-2#7']);
  });

  it('hears nothing of a session that is over', async () => {
    const { seen, sessions, last, pass } = play();
    const old = last();
    await old.fail('gone');
    expect(old.signal.aborted).toBe(true);
    await pass(LONG_MS);
    old.feed.put(a);
    old.feed.answer({ endpoints: [b], history: 'same' });
    old.feed.connected();
    expect([seen.log, sessions.length, seen.statuses.at(-1)?.state]).toEqual([[], 2, 'stale']);
  });

  it('counts a session that ends without a word as lost', async () => {
    const { seen, last } = play();
    await last().finish();
    expect(seen.statuses.at(-1)).toMatchObject({ state: 'stale', error: 'the source ended the watch' });
  });

  it('outlives a driver that throws at once', async () => {
    const clock = createVirtualClock();
    let calls = 0;
    const driver: SourceDriver = {
      follow() {
        calls++;
        throw new Error('cannot');
      },
      close: () => Promise.resolve(),
    };
    const source = createSource({ driver, clock });
    const seen = record(source);
    await settle(() => undefined);
    await settle(() => clock.advance(LONG_MS));
    expect([calls, seen.statuses.at(-1)?.error]).toEqual([2, 'cannot']);
    await source.close();
    expect(clock.pending()).toBe(0);
  });

  it('warns once per text', () => {
    const { seen, last } = play();
    for (let times = 0; times < 3; times++) {
      last().feed.warning('x is garbage');
      last().feed.warning('y is garbage');
    }
    expect(seen.warnings).toEqual(['x is garbage', 'y is garbage']);
  });

  it('remembers a bounded number of warnings', () => {
    const { seen, last } = play();
    for (let number = 0; number < 300; number++) last().feed.warning(`${number} is garbage`);
    last().feed.warning('299 is garbage');
    last().feed.warning('0 is garbage');
    expect(seen.warnings.length).toBe(301);
  });
});

describe('a source that is lost', () => {
  /** Delays after sessions that each last so long. */
  async function delaysAfter(sessionMs: number, times: number): Promise<number[]> {
    const { clock, sessions, last } = play();
    const delays: number[] = [];
    for (let count = 0; count < times; count++) {
      last().feed.connected();
      clock.advance(sessionMs);
      await last().fail('gone');
      const [before, known] = [clock.nowMs(), sessions.length];
      while (sessions.length === known) await settle(() => clock.advance(10));
      delays.push(clock.nowMs() - before);
    }
    return delays;
  }

  it('is asked again ever later when it answers and fails at once, again and again', async () => {
    const delays = await delaysAfter(100, 30);
    const average = (part: readonly number[]): number => part.reduce((sum, delay) => sum + delay, 0) / part.length;
    expect(average(delays.slice(10))).toBeGreaterThan(2_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(10_010);
  });

  it('is asked again soon after a session that lasted', async () => {
    expect(Math.max(...(await delaysAfter(60_000, 20)))).toBeLessThanOrEqual(1_010);
  });
});

describe('descriptors', () => {
  const [x, y] = [new Uint8Array([1]), new Uint8Array([2])];

  it('are asked for when the digests change, and at no other time', () => {
    const { wanted, last } = play();
    last().feed.put({ ...a, schemaDigest: 'x' });
    last().feed.put({ ...a, schemaDigest: 'x', weight: 2 });
    last().feed.put({ ...b, schemaDigest: 'y' });
    last().feed.remove('places-1#7', 'deregistered');
    expect(wanted).toEqual([['x'], ['x', 'y'], ['y']]);
  });

  it('are kept while somebody names them', () => {
    const { source, seen, last } = play(new Map([['x', x]]));
    expect(source.schemaFor('x')).toBe(x);
    last().feed.put({ ...a, schemaDigest: 'x' });
    last().feed.put({ ...b, schemaDigest: 'y' });
    last().feed.schema('y', y);
    last().feed.schema('nobody', y);
    expect([source.schemaFor('x'), source.schemaFor('y'), source.schemaFor('nobody')]).toEqual([x, y, undefined]);
    expect([...seen.schemas.keys()]).toEqual(['y']);
    last().feed.removeInstance('places-1', 'deregistered');
    expect(source.schemaFor('x')).toBeUndefined();
  });
});

describe('closing', () => {
  it('ends the session, waits for it, and says nothing more', async () => {
    const { clock, source, seen, last, closed, sessions, pass } = play();
    last().feed.answer({ endpoints: [a], history: 'same' });
    const told = [seen.log.length, seen.statuses.length];
    await Promise.all([source.close(), source.close()]);
    last().feed.put(b);
    last().feed.warning('late');
    await pass(LONG_MS);
    expect([last().signal.aborted, closed(), sessions.length, clock.pending()]).toEqual([true, 1, 1, 0]);
    expect([seen.log.length, seen.statuses.length, seen.warnings, seen.endpoints()]).toEqual([...told, [], [a]]);
  });

  it('ends a wait between sessions', async () => {
    const { clock, source, last } = play();
    await last().fail('gone');
    await source.close();
    expect(clock.pending()).toBe(0);
  });

  it('may come before the start, which then does nothing', async () => {
    const { driver, sessions, closed } = createPlayed();
    const source = createSource({ driver, clock: createVirtualClock() });
    await source.close();
    const seen = record(source);
    expect([sessions.length, closed(), seen.statuses]).toEqual([0, 1, []]);
  });
});

type Word =
  | { readonly say: 'answer'; readonly endpoints: readonly Endpoint[]; readonly history: 'same' | 'none' | 'new' }
  | { readonly say: 'put'; readonly endpoint: Endpoint }
  | { readonly say: 'fail' | 'finish' | 'connected' }
  | { readonly say: 'pass'; readonly byMs: number };

const endpointArb = fc
  .record({ number: fc.integer({ min: 1, max: 4 }), incarnation: fc.integer({ min: 1, max: 2 }) })
  .map(({ number, incarnation }) => createEndpoint(number, { incarnation }));
const wordArb: fc.Arbitrary<Word> = fc.oneof(
  fc.record({
    say: fc.constant('answer' as const),
    endpoints: fc.array(endpointArb, { maxLength: 4 }),
    history: fc.constantFrom('same' as const, 'none' as const, 'new' as const),
  }),
  fc.record({ say: fc.constant('put' as const), endpoint: endpointArb }),
  fc.record({ say: fc.constantFrom('fail' as const, 'finish' as const, 'connected' as const) }),
  fc.record({ say: fc.constant('pass' as const), byMs: fc.integer({ min: 1, max: 12_000 }) }),
);

async function speak({ last, pass }: ReturnType<typeof play>, word: Word): Promise<void> {
  if (word.say === 'answer') last().feed.answer(word);
  else if (word.say === 'put') last().feed.put(word.endpoint);
  else if (word.say === 'pass') await pass(word.byMs);
  else if (word.say === 'connected') last().feed.connected();
  else if (word.say === 'fail') await last().fail('failed');
  else await last().finish();
}

it('keeps its law on any walk: no session that ends removes anybody', { timeout: fuzzTimeoutMs(20_000) }, () =>
  fc.assert(
    fc.asyncProperty(fc.array(wordArb, { maxLength: 30 }), async (words) => {
      const played = play();
      const { seen, source, clock, last } = played;
      for (const word of words) {
        const before = seen.log.length;
        const wasOver = last().signal.aborted;
        await speak(played, word);
        const isSilent = word.say !== 'answer' && word.say !== 'put';
        if (isSilent || wasOver) expect(seen.log.length).toBe(before);
        expect(seen.broken).toEqual([]);
        expect(source.status().state === 'connected').toBe(seen.statuses.at(-1)?.state === 'connected');
        if (source.status().state === 'connected') expect(last().signal.aborted).toBe(false);
      }
      await source.close();
      expect(clock.pending()).toBe(0);
    }),
    fuzzing(200),
  ),
);
