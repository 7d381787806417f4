import { describe, expect, it } from 'vitest';
import type { SourceChange } from '../src/source.ts';
import type { Answer } from '../src/sources/feed.ts';
import { createToldSet } from '../src/sources/told-set.ts';
import { createEndpoint } from './contract/endpoints.ts';

const list = (...numbers: number[]) => numbers.map((number) => createEndpoint(number));

function linesOf(changes: readonly SourceChange[]): string[] {
  return changes.map((change) => {
    const key = 'key' in change ? change.key : `${change.endpoint.instanceId}#${change.endpoint.incarnation}`;
    return `${change.type} ${key.replace('places-', '').replace('#7', '')}`;
  });
}

function createTold() {
  const told = createToldSet();
  return {
    hear: (history: Answer['history'], endpoints: Answer['endpoints'], more: Partial<Answer> = {}) =>
      linesOf(told.answer({ endpoints, history, ...more })),
  };
}

describe('the set that a source has told', () => {
  it('doubts whom a new history does not know, for as long as that does not list them', () => {
    const { hear } = createTold();
    hear('new', list(1, 2, 3));
    expect(hear('new', list(1))).toEqual(['doubt 2', 'doubt 3']);
    // They never were in this history, so it does not tell that they left.
    expect(hear('same', list(1, 4))).toEqual(['insert 4']);
    expect(hear('same', list(1, 4))).toEqual([]);
    expect(hear('same', list(1, 4, 2))).toEqual(['update 2']);
    expect(hear('same', list(1, 4))).toEqual(['remove 2']);
    expect(hear('none', list(1, 4, 3))).toEqual(['update 3']);
  });

  it('counts half without those of an old history', () => {
    const { hear } = createTold();
    hear('new', list(1, 2, 3, 4, 5, 6, 7));
    hear('new', list(1, 2, 3));
    expect(hear('same', list(1, 2))).toEqual(['remove 3']);
  });

  it('misses only within the scope of an answer', () => {
    const { hear } = createTold();
    hear('new', list(1, 2), { scope: 'a' });
    hear('new', list(3, 4, 5), { scope: 'b' });
    expect(hear('same', list(1), { scope: 'a' })).toEqual(['remove 2']);
    expect(hear('same', [], { scope: 'a' })).toEqual(['doubt 1']);
    expect(hear('same', list(3), { scope: 'b' })).toEqual(['doubt 4', 'doubt 5']);
    expect(hear('same', list(1), { scope: 'a' })).toEqual(['update 1']);
    expect(hear('same', list(3), { scope: 'b' })).toEqual(['remove 4', 'remove 5']);
  });

  it('moves who is told in another scope', () => {
    const { hear } = createTold();
    hear('new', list(1, 2), { scope: 'a' });
    hear('new', list(1), { scope: 'b' });
    expect(hear('same', list(2), { scope: 'a' })).toEqual([]);
    expect(hear('same', [], { scope: 'b' })).toEqual(['doubt 1']);
  });
});
