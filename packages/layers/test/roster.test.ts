import { createRandom } from '@bascule/core';
import { expect, it } from 'vitest';
import { Roster } from '../src/roster.ts';

it('knows who is present, whoever came and went', () => {
  const seed = 7;
  const random = createRandom(seed);
  const roster = new Roster<{ name: number }>();
  const present = new Map<number, { name: number }>();
  let most = 0;
  for (let step = 0; step < 5_000; step++) {
    if (random() < 0.5 || present.size === 0) {
      const item = { name: step };
      const ticket = roster.add(item);
      expect(present.has(ticket), `seed ${seed}, step ${step}`).toBe(false);
      present.set(ticket, item);
    } else {
      const ticket = [...present.keys()][Math.floor(random() * present.size)] as number;
      roster.remove(ticket);
      present.delete(ticket);
    }
    most = Math.max(most, present.size);
    if (step % 100 === 0) expect(new Set(roster.present())).toEqual(new Set(present.values()));
  }
  // Tickets are used again: memory follows the most that were present at once.
  expect(Math.max(...present.keys())).toBeLessThan(most);
});
