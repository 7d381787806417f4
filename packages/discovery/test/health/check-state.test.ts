import { describe, expect, it } from 'vitest';
import { toNextState, type CheckState } from '../../src/health/check-state.ts';

const thresholds = { unhealthyThreshold: 3, healthyThreshold: 2 };
const follow = (state: CheckState, answers: string) =>
  answers
    .split('')
    .reduce((state, answer) => toNextState(state, answer === '+' ? undefined : 'refused', thresholds), state);
const passing = (failures: number): CheckState => ({ kind: 'passing', failures });
const failing = (successes: number): CheckState => ({ kind: 'failing', successes, why: 'refused' });

describe('the state of a check', () => {
  it.each<[CheckState['kind'], string, CheckState]>([
    ['unchecked', '+', passing(0)],
    ['unchecked', '-', failing(0)],
    ['pending', '+', passing(0)],
    ['pending', '-', failing(0)],
    ['unchecked', '+--', passing(2)],
    ['unchecked', '+--+', passing(0)],
    ['unchecked', '+--+--', passing(2)],
    ['unchecked', '+---', failing(0)],
    ['unchecked', '-+', failing(1)],
    ['unchecked', '-+-', failing(0)],
    ['unchecked', '-+-+', failing(1)],
    ['unchecked', '-++', passing(0)],
  ])('from %s by %s', (kind, answers, expected) => {
    expect(follow({ kind } as CheckState, answers)).toEqual(expected);
  });

  it('says the latest reason', () => {
    const state = toNextState(failing(0), 'no answer', thresholds);
    expect(state).toEqual({ kind: 'failing', successes: 0, why: 'no answer' });
  });

  it('is the same object when nothing has changed, so that nobody is told', () => {
    const [good, bad] = [passing(0), failing(0)];
    expect(toNextState(good, undefined, thresholds)).toBe(good);
    expect(toNextState(bad, 'refused', thresholds)).toBe(bad);
  });
});
