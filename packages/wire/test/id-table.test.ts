import { createRandom } from '@bascule/core';
import { expect, it } from 'vitest';
import { IdTable } from '../src/id-table.ts';

// Ids as streams have them, as ports count them, and without any order.
it.each([
  ['that follow each other', (step: number) => 2 * step + 1],
  ['far apart', (step: number) => (step * 65_536) % 2_147_483_647],
  ['from few', (_step: number, random: number) => Math.floor(random * 40)],
])('holds what a Map holds, with ids %s', (_name, toId) => {
  const seed = 11;
  const random = createRandom(seed);
  const table = new IdTable<{ step: number }>();
  const model = new Map<number, { step: number }>();
  for (let step = 0; step < 20_000; step++) {
    // Waves, so that it grows and empties.
    const isGrowing = step % 2_000 < 900;
    if (random() < (isGrowing ? 0.7 : 0.4)) {
      const id = toId(step, random());
      const item = { step };
      table.set(id, item);
      model.set(id, item);
    } else {
      const ids = [...model.keys()];
      const id = random() < 0.1 ? toId(step, random()) : (ids[Math.floor(random() * Math.min(ids.length, 8))] ?? 5);
      expect(table.delete(id), `seed ${seed}, step ${step}`).toBe(model.delete(id));
    }
    expect(table.size).toBe(model.size);
    const asked = toId(Math.floor(random() * (step + 1)), random());
    expect(table.get(asked), `seed ${seed}, step ${step}`).toBe(model.get(asked));
    if (step % 500 === 0) expect(new Set(table.values())).toEqual(new Set(model.values()));
  }
  for (const [id, item] of model) expect(table.get(id)).toBe(item);
  table.clear();
  expect([table.size, table.values()]).toEqual([0, []]);
});
