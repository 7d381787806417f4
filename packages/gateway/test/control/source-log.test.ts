import { createVirtualClock, endpointKey, type EndpointHealth, type RemovalCause } from '@bascule/core';
import type { MemberRecord, SourceStatus } from '@bascule/discovery';
import { describe, expect, it } from 'vitest';
import { createSourceLog } from '../../src/control/source-log.ts';
import type { LogEvent } from '../../src/log.ts';
import { endpointOf } from '../support.ts';

function rig() {
  const events: LogEvent[] = [];
  const clock = createVirtualClock();
  const log = createSourceLog((event) => void events.push(event), clock);
  const lines = (): string[] => events.splice(0).map(({ level, message }) => `${level} ${message}`);
  return { events, clock, log, lines };
}

const one = endpointOf({ instanceId: 'one', host: '::1' });
const recordOf = (health: EndpointHealth, overrides: Partial<MemberRecord> = {}): MemberRecord => ({
  key: endpointKey(one),
  endpoint: { ...one, health },
  said: one,
  sources: ['a'],
  presence: 'told',
  cause: health === 'failing' ? 'connection refused' : '',
  isPending: false,
  sinceMs: 0,
  ...overrides,
});

const statusOf = (state: SourceStatus['state'], error?: string): SourceStatus => ({
  state,
  sinceMs: 0,
  ...(error !== undefined && { error }),
});

describe('the log of sources', () => {
  it('has a line for each change of state, not for each try', () => {
    const { events, log } = rig();
    log.status('a', statusOf('connecting'));
    log.status('a', statusOf('stale', 'refused'));
    log.status('a', statusOf('stale', 'reset'));
    log.status('b', statusOf('connected'));
    log.status('a', statusOf('connected'));
    expect(events).toEqual([
      { level: 'warn', message: 'source a: stale', why: 'refused' },
      { level: 'info', message: 'source b: connected' },
      { level: 'info', message: 'source a: connected' },
    ]);
  });

  it('keeps what systems say in one readable line', () => {
    const { events, log } = rig();
    log.warning('source a', `b\n\u001b[31mred\u202e\u2028${'x'.repeat(1_000)}`);
    log.status('a', statusOf('stale', 'b\r\nfatal: no'));
    expect(events[0]?.message).toMatch(/^source a: b\\u\{a\}\\u\{1b\}\[31mred\\u\{202e\}\\u\{2028\}x+\.\.\.$/);
    expect(events[0]?.message.length).toBeLessThan(510);
    expect(events[1]?.['why']).toBe('b\\u{d}\\u{a}fatal: no');
  });

  it('names those that nobody has taken out, a few of many', () => {
    const { clock, log, lines } = rig();
    const removal = (cause: RemovalCause, instanceId = 'x') => ({
      endpoint: endpointOf({ instanceId }),
      source: 'a',
      cause,
      atMs: 0,
    });
    const remove = (removals: readonly ReturnType<typeof removal>[]): void =>
      log.removed(
        removals.map(({ cause }) => cause),
        removals.slice(0, 100),
      );
    remove([removal('deregistered'), removal('absent-and-failing'), removal('lease-expired'), removal('replaced')]);
    expect(lines()).toEqual([
      'warn endpoint x at 127.0.0.1:9 of source a was removed: absent-and-failing',
      'warn endpoint x at 127.0.0.1:9 of source a was removed: lease-expired',
    ]);
    remove(Array.from({ length: 5_000 }, (_, i) => removal('not-in-source', `i${i}`)));
    expect(lines()).toHaveLength(8);
    clock.advance(1_000);
    expect(lines()).toEqual(['warn 4992 more endpoints failed, recovered or left']);
    remove([removal('deregistered')]);
    clock.advance(1_000);
    expect([lines(), clock.pending()]).toEqual([[], 0]);
  });

  it('says once that an endpoint fails, and that it is well again', () => {
    const { events, clock, log, lines } = rig();
    const tell = (record: MemberRecord | undefined): void => log.health(endpointKey(one), record);
    tell(recordOf('healthy'));
    tell(recordOf('failing', { isPending: true, cause: 'not asked yet' }));
    expect(lines()).toEqual([]);
    tell(recordOf('failing'));
    tell(recordOf('failing', { cause: 'timed out' }));
    expect(events).toEqual([
      { level: 'warn', message: 'endpoint one at [::1]:9 is failing', why: 'connection refused' },
    ]);
    lines();
    clock.advance(90_000);
    tell(recordOf('healthy'));
    tell(recordOf('healthy'));
    expect(lines()).toEqual(['info endpoint one at [::1]:9 is healthy again, after 90 s']);
    tell(recordOf('failing'));
    tell(recordOf('draining'));
    expect(lines().at(-1)).toBe('info endpoint one at [::1]:9 is draining, after 0 s');
    // Whoever comes back has not recovered: it was away.
    tell(recordOf('failing'));
    tell(undefined);
    lines();
    tell(recordOf('healthy'));
    expect(lines()).toEqual([]);
  });

  it('has ten lines a second of endpoints and of warnings, and the count of the others', () => {
    const { clock, log, lines } = rig();
    const many = (health: EndpointHealth, from: number, to: number): void => {
      for (let i = from; i < to; i++) log.health(`k${i}`, recordOf(health));
    };
    many('failing', 0, 1_000);
    for (let i = 0; i < 30; i++) log.warning('source a', `record ${i}`);
    log.status('a', statusOf('stale', 'gone'));
    expect(lines()).toHaveLength(10 + 10 + 1);
    clock.advance(1_000);
    expect(lines()).toEqual([
      'warn 990 more endpoints failed, recovered or left',
      'warn 20 more warnings of sources and checks',
    ]);
    many('healthy', 0, 500);
    expect(lines()).toHaveLength(9);
    log.close();
    expect(lines()).toEqual(['info 491 more endpoints failed, recovered or left']);
    expect(clock.pending()).toBe(0);
  });

  it('says what a start goes on with', () => {
    const { events, log } = rig();
    log.unheard('a', statusOf('stale', 'refused'), { known: 3, ageMs: 119 * 60_000 });
    log.unheard('a', statusOf('stale', 'refused'), { known: 3, ageMs: 150 * 60_000 });
    log.unheard('b', statusOf('connecting'), { known: 0, ageMs: 0 });
    expect(events.map(({ message }) => message)).toEqual([
      'source a has not answered yet, so the 3 endpoints known last are used, 119 min old',
      'source a has not answered yet, so the 3 endpoints known last are used, 3 h old',
      'source b has not answered yet, and nothing is known of it from before',
    ]);
  });
});
