import { describe, expect, it } from 'vitest';
import { DEFAULT_OUTLIER } from '../../src/index.ts';
import { GOOD_STANDING, transition, type Standing, type StandingEvent } from '../../src/outlier/standing.ts';

const cause = '5 failures in a row';
const ejected = (times: number, sinceMs: number, untilMs: number): Standing => {
  return { name: 'ejected', times, sinceMs, untilMs, cause };
};
const probing = (times: number, isOpen = false): Standing => ({ name: 'probing', times, isOpen, cause });
const inside = (times: number): Standing => ({ name: 'in', times });

describe('transition', () => {
  it.each<[string, Standing, StandingEvent, Standing]>([
    ['a first ejection', GOOD_STANDING, { type: 'eject', cause, nowMs: 100 }, ejected(1, 100, 30_100)],
    ['a second one is longer', inside(1), { type: 'eject', cause, nowMs: 0 }, ejected(2, 0, 60_000)],
    ['none is longer than the longest', inside(10), { type: 'eject', cause, nowMs: 0 }, ejected(10, 0, 300_000)],
    ['an ejected one is not ejected', ejected(1, 0, 9), { type: 'eject', cause, nowMs: 5 }, ejected(1, 0, 9)],
    ['an interval without anything', GOOD_STANDING, { type: 'interval', nowMs: 5 }, GOOD_STANDING],
    ['an interval lowers the multiplier', inside(3), { type: 'interval', nowMs: 5 }, inside(2)],
    ['an interval before its time', ejected(1, 0, 9), { type: 'interval', nowMs: 8 }, ejected(1, 0, 9)],
    ['an interval after its time', ejected(2, 0, 9), { type: 'interval', nowMs: 9 }, probing(2)],
    ['probing outlives intervals', probing(2), { type: 'interval', nowMs: 99 }, probing(2)],
    ['a probe', probing(1), { type: 'probe' }, probing(1, true)],
    ['a probe that succeeds', probing(1, true), { type: 'probe-succeeded' }, inside(1)],
    ['a probe whose caller left', probing(1, true), { type: 'probe-dropped' }, probing(1)],
    ['a probe that fails', probing(1, true), { type: 'eject', cause, nowMs: 0 }, ejected(2, 0, 60_000)],
    ['a check that passes', ejected(4, 0, 9), { type: 'check-passed' }, inside(4)],
    ['a check that passes while probing', probing(4, true), { type: 'check-passed' }, inside(4)],
    ['a new connection of an ejected one', ejected(2, 0, 9), { type: 'reconnected' }, probing(2)],
    ['a new connection of another', inside(2), { type: 'reconnected' }, inside(2)],
    ['a new connection while probing', probing(2, true), { type: 'reconnected' }, probing(2, true)],
    ['late words of a probe', inside(1), { type: 'probe-succeeded' }, inside(1)],
    ['a probe of somebody who is in', inside(1), { type: 'probe' }, inside(1)],
    ['a dropped probe of somebody ejected', ejected(1, 0, 9), { type: 'probe-dropped' }, ejected(1, 0, 9)],
  ])('%s', (_, standing, event, expected) => {
    expect(transition(standing, event, DEFAULT_OUTLIER)).toEqual(expected);
  });

  it('takes the base where the longest time is shorter', () => {
    const policy = { ...DEFAULT_OUTLIER, baseEjectionMs: 50_000, maxEjectionMs: 20_000 };
    const first = transition(GOOD_STANDING, { type: 'eject', cause, nowMs: 0 }, policy);
    expect(first).toEqual(ejected(1, 0, 50_000));
    expect(transition(inside(1), { type: 'eject', cause, nowMs: 0 }, policy)).toEqual(ejected(1, 0, 50_000));
  });

  it('comes back at once without probation', () => {
    const policy = { ...DEFAULT_OUTLIER, probation: false };
    expect(transition(ejected(2, 0, 9), { type: 'interval', nowMs: 9 }, policy)).toEqual(inside(2));
  });

  it('sinks to the start in as many healthy intervals as it was ejected', () => {
    let standing = inside(3);
    const event = { type: 'interval', nowMs: 1 } as const;
    for (let i = 0; i < 4; i++) standing = transition(standing, event, DEFAULT_OUTLIER);
    expect(standing).toEqual(GOOD_STANDING);
  });
});
