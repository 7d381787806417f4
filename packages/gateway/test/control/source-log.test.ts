import type { RemovalCause } from '@bascule/core';
import type { SourceStatus } from '@bascule/discovery';
import { describe, expect, it } from 'vitest';
import { createSourceLog } from '../../src/control/source-log.ts';
import type { LogEvent } from '../../src/log.ts';
import { endpointOf } from '../support.ts';

function rig() {
  const events: LogEvent[] = [];
  return { events, log: createSourceLog((event) => void events.push(event)) };
}

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
    const { events, log } = rig();
    const removal = (cause: RemovalCause, instanceId = 'x') => ({
      endpoint: endpointOf({ instanceId }),
      source: 'a',
      cause,
      atMs: 0,
    });
    log.removed([removal('deregistered'), removal('absent-and-failing'), removal('lease-expired')]);
    expect(events.map(({ message }) => message)).toEqual([
      'endpoint x at 127.0.0.1:9 of source a was removed: absent-and-failing',
    ]);
    log.removed(Array.from({ length: 50 }, (_, i) => removal('not-in-source', `i${i}`)));
    expect(events).toHaveLength(1 + 20 + 1);
    expect(events.at(-1)?.message).toBe('30 more endpoints were removed for their absence');
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
