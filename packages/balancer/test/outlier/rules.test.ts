import { describe, expect, it } from 'vitest';
import { failsMoreThanOthers, failsTooOften, isSlowerThanOthers } from '../../src/outlier/rules.ts';
import { Tally } from '../../src/outlier/tally.ts';

/** An interval of `calls` calls of which `failed` failed, and of which each took `ms`. */
function member(id: string, calls: number, failed: number, ms = 0) {
  const tally = new Tally();
  for (let i = 0; i < calls; i++) {
    tally.book(i < failed);
    tally.time(ms);
  }
  tally.swap();
  return { id, tally };
}
const ids = (verdicts: readonly { readonly member: { readonly id: string } }[]) => verdicts.map((v) => v.member.id);

describe('failsMoreThanOthers', () => {
  const rule = { stdevFactor: 1.9, minEndpoints: 5, minCalls: 100 };
  const good = ['a', 'b', 'c', 'd'].map((id) => member(id, 100, 0));

  // Four of 1 and one of x: the mean is (4 + x) / 5, the deviation 0.4 (1 - x), so x is (1 - x) * 0.8 / 0.4 = 2
  // deviations below the mean, whatever it is.
  it.each([
    [1.9, 50, ['e']],
    [1.9, 1, ['e']],
    [2.1, 50, []],
    [1.9, 0, []],
  ])('with %d deviations and %d failures', (stdevFactor, failed, expected) => {
    expect(ids(failsMoreThanOthers([...good, member('e', 100, failed)], { ...rule, stdevFactor }))).toEqual(expected);
  });

  it('leaves out those with few calls, and says nothing of few endpoints', () => {
    expect(failsMoreThanOthers([...good, member('e', 99, 99)], rule)).toEqual([]);
    expect(failsMoreThanOthers([...good.slice(1), member('e', 100, 99)], rule)).toEqual([]);
    expect(ids(failsMoreThanOthers([...good, member('quiet', 3, 3), member('e', 100, 99)], rule))).toEqual(['e']);
  });

  it('says why', () => {
    const [verdict] = failsMoreThanOthers([...good, member('e', 100, 50)], rule);
    expect(verdict?.cause).toBe('50 % of its calls succeed, 90 % of all');
  });
});

describe('failsTooOften', () => {
  const rule = { threshold: 85, minEndpoints: 2, minCalls: 50 };

  it.each([
    [85, []],
    [86, ['b']],
    [100, ['b']],
  ])('%d failures of 100', (failed, expected) => {
    expect(ids(failsTooOften([member('a', 100, 0), member('b', 100, failed)], rule))).toEqual(expected);
  });

  it('leaves out those with few calls, and says nothing of few endpoints', () => {
    expect(failsTooOften([member('a', 100, 0), member('b', 49, 49)], rule)).toEqual([]);
    expect(failsTooOften([member('b', 100, 100)], rule)).toEqual([]);
  });
});

describe('isSlowerThanOthers', () => {
  const rule = { factor: 3, minEndpoints: 3, minCalls: 10 };

  it.each([
    [30, []],
    [31, ['c']],
  ])('one of %d ms among those of 10', (ms, expected) => {
    const members = [member('a', 10, 0, 10), member('b', 10, 0, 10), member('c', 10, 0, ms)];
    expect(ids(isSlowerThanOthers(members, rule))).toEqual(expected);
  });

  it('takes the middle of two medians', () => {
    // Of 10, 10, 20 and 50 the median is 15: 45 is the limit.
    const means = [10, 10, 20, 50].map((ms, i) => member('abcd'[i] as string, 10, 0, ms));
    expect(ids(isSlowerThanOthers(means, rule))).toEqual(['d']);
    expect(isSlowerThanOthers(means, { ...rule, factor: 3.4 })).toEqual([]);
  });

  it('leaves out those with few calls', () => {
    const quick = [member('a', 10, 0, 1), member('b', 10, 0, 1)];
    expect(isSlowerThanOthers([...quick, member('c', 9, 0, 999)], rule)).toEqual([]);
  });
});
