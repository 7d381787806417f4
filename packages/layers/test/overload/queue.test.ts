import { createRandom, type Criticality } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { WaitingQueue, type Waiting } from '../../src/overload/queue.ts';

interface Item extends Waiting {
  readonly name: string;
}

const item = (criticality: Criticality, deadlineMs: number, name = `${criticality} ${deadlineMs}`): Item => ({
  criticality,
  deadlineMs,
  name,
});

function drain(queue: WaitingQueue<Item>): string[] {
  const names: string[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) names.push(next.name);
  return names;
}

describe('WaitingQueue', () => {
  it('serves by criticality, then by deadline, then by arrival', () => {
    const queue = new WaitingQueue<Item>();
    queue.push(item('sheddable', 1));
    queue.push(item('default', Infinity, 'first without'));
    queue.push(item('default', Infinity, 'second without'));
    queue.push(item('default', 5));
    queue.push(item('critical', 9));
    queue.push(item('default', 2));
    expect(queue.size).toBe(6);
    expect(drain(queue)).toEqual([
      'critical 9',
      'default 2',
      'default 5',
      'first without',
      'second without',
      'sheddable 1',
    ]);
  });

  it('drops the least that matters, and never an equal', () => {
    const queue = new WaitingQueue<Item>();
    for (const one of [item('default', 1), item('sheddable', 1), item('critical', 1)]) queue.push(one);
    expect(queue.dropBelow('sheddable')).toBeUndefined();
    expect(queue.dropBelow('critical')?.name).toBe('sheddable 1');
    expect(queue.dropBelow('default')).toBeUndefined();
    expect(queue.dropBelow('critical')?.name).toBe('default 1');
    expect(queue.dropBelow('critical')).toBeUndefined();
    expect(queue.size).toBe(1);
  });

  it('agrees with a sorted list on a random walk', () => {
    const { seed, numRuns } = fuzzing(5_000);
    const random = createRandom(seed);
    const classes: readonly Criticality[] = ['critical', 'default', 'sheddable'];
    const queue = new WaitingQueue<Item>();
    let model: Item[] = [];
    const rank = (one: Item): number => classes.indexOf(one.criticality);
    const sorted = (): Item[] => model.toSorted((a, b) => rank(a) - rank(b) || a.deadlineMs - b.deadlineMs);
    for (let i = 0; i < numRuns; i++) {
      const chance = random();
      const one = item(classes[Math.floor(random() * 3)] as Criticality, Math.floor(random() * 20), String(i));
      if (chance < 0.5) {
        const before = model.filter(
          (m) => rank(m) < rank(one) || (rank(m) === rank(one) && m.deadlineMs <= one.deadlineMs),
        );
        expect(queue.countBefore(one), `seed ${seed}`).toBe(before.length);
        queue.push(one);
        model.push(one);
      } else if (chance < 0.8) {
        const next = queue.shift();
        expect(next, `seed ${seed}`).toBe(sorted()[0]);
        model = model.filter((m) => m !== next);
      } else if (chance < 0.95) {
        const gone = model[Math.floor(random() * model.length)] ?? one;
        expect(queue.remove(gone), `seed ${seed}`).toBe(model.includes(gone));
        model = model.filter((m) => m !== gone);
      } else {
        const dropped = queue.dropBelow(one.criticality);
        const candidates = model.filter((m) => rank(m) > rank(one));
        expect(dropped === undefined, `seed ${seed}`).toBe(candidates.length === 0);
        if (dropped !== undefined) expect(rank(dropped)).toBe(Math.max(...candidates.map(rank)));
        model = model.filter((m) => m !== dropped);
      }
      expect(queue.size, `seed ${seed}`).toBe(model.length);
    }
  });
});
