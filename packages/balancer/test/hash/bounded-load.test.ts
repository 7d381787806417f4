import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backend, backends, HASHING, keys, pickerOf, requestOf, type Backend } from './rig.ts';

const capOf = (members: readonly Backend[], member: Backend, open: number, boundPercent: number): number => {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  return Math.max(1, Math.ceil((boundPercent * open * member.weight) / (100 * total) - 1e-9));
};

describe.each(HASHING)('bounded $name', (spec) => {
  it('gives the owner of a key while it has room', () => {
    const members = backends(10);
    const plain = pickerOf(spec, members);
    const bounded = pickerOf({ ...spec, boundPercent: 125 }, members);
    for (const key of keys(200)) expect(bounded.pick(requestOf(key))).toBe(plain.pick(requestOf(key)));
  });

  it('never goes beyond the bound, whatever the keys, weights and ends of calls', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 });
    // Of few keys, so that owners are crowded; a negative one ends the oldest call.
    const events = fc.array(fc.integer({ min: -2, max: 4 }), { maxLength: 200 });
    fc.assert(
      fc.property(weights, fc.integer({ min: 100, max: 250 }), events, (given, boundPercent, sequence) => {
        const members = backends(given.length, (index) => given[index] as number);
        const picker = pickerOf({ ...spec, boundPercent }, members);
        const open: Backend[] = [];
        for (const event of sequence) {
          if (event < 0) {
            const ended = open.shift();
            if (ended !== undefined) ended.openCalls--;
            continue;
          }
          const member = picker.pick(requestOf(`key ${event}`)) as Backend;
          member.openCalls++;
          open.push(member);
          expect(member.openCalls).toBeLessThanOrEqual(capOf(members, member, open.length, boundPercent));
        }
      }),
      // One table per run.
      fuzzing(spec.name === 'rendezvous' ? 6 : 40),
    );
  });

  it('lets one hot key overflow to the same members in the same order, one after another', () => {
    const run = (): (string | undefined)[] => {
      const members = backends(12);
      const picker = pickerOf({ ...spec, boundPercent: 150 }, members);
      return Array.from({ length: 48 }, () => {
        const member = picker.pick(requestOf('hot')) as Backend;
        member.openCalls++;
        return member.id;
      });
    };
    const first = run();
    expect(run()).toEqual(first);
    // 1.5 * 48 / 12 at the end.
    expect(Math.max(...[...Map.groupBy(first, (id) => id).values()].map(({ length }) => length))).toBe(6);
  });

  it('spreads the overflow of one member over all others, instead of filling its neighbour', () => {
    const members = backends(11);
    const picker = pickerOf({ ...spec, boundPercent: 125 }, members);
    const full = picker.pick(requestOf('hot')) as Backend;
    full.openCalls = 100;
    const taken = keys(4_000)
      .map((key) => requestOf(key))
      .map((request) => picker.pick(request) as Backend);
    expect(taken).not.toContain(full);
    const counts = members
      .filter((member) => member !== full)
      .map((member) => taken.filter((id) => id === member).length);
    expect(Math.max(...counts)).toBeLessThan((taken.length / 10) * 1.5);
  });

  it('gives whoever has room when nearly all are full, and the one least over when all are', () => {
    const members = backends(30);
    for (const member of members) member.openCalls = 10;
    const roomy = members[17] as Backend;
    roomy.openCalls = 2;
    const picker = pickerOf({ ...spec, boundPercent: 100 }, members);
    for (const key of keys(20)) expect(picker.pick(requestOf(key))).toBe(roomy);
    // With that one out, nobody is within the bound of ten.
    roomy.openCalls = 0;
    const least = members[4] as Backend;
    for (const member of members) if (member !== least && member !== roomy) member.openCalls = 20;
    least.openCalls = 19;
    // Two rounds of reading all of them.
    for (let pick = 0; pick < 4; pick++) picker.pick(requestOf('key'));
    for (const key of keys(20)) expect(picker.pick(requestOf(key, roomy))).toBe(least);
  });

  it('gives none when all are out', () => {
    const members = backends(5);
    const picker = pickerOf({ ...spec, boundPercent: 125 }, members);
    expect(picker.pick(requestOf('key', ...members))).toBeUndefined();
    expect(pickerOf({ ...spec, boundPercent: 125 }, []).pick(requestOf('key'))).toBeUndefined();
  });

  it('counts by weight', () => {
    const members = [backend('light', 1), backend('heavy', 9)];
    const picker = pickerOf({ ...spec, boundPercent: 100 }, members);
    for (const key of keys(100)) (picker.pick(requestOf(key)) as Backend).openCalls++;
    expect(members.map(({ openCalls }) => openCalls)).toEqual([10, 90]);
  });

  it('keeps to the bound about as well for a set too large to be read at once', () => {
    const members = backends(500);
    const picker = pickerOf({ ...spec, boundPercent: 120 }, members);
    const open: Backend[] = [];
    for (const [index, key] of keys(20_000).entries()) {
      // A third of the calls are of one key.
      const member = picker.pick(requestOf(index % 3 === 0 ? 'hot' : key)) as Backend;
      member.openCalls++;
      open.push(member);
      if (open.length > 5_000) (open.shift() as Backend).openCalls--;
    }
    // 10 each on average, 12 by the bound.
    expect(Math.max(...members.map(({ openCalls }) => openCalls))).toBeLessThanOrEqual(13);
  });
});
