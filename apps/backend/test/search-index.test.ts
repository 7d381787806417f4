import { describe, expect, test } from 'vitest';
import { createSearchIndex } from '../src/places/search-index.ts';
import { toWords } from '../src/places/words.ts';

const NAMES = ['New York', 'São Paulo', 'York', 'Baden-Baden', 'Łódź', "Xi'an", 'Newark', 'New Orleans', 'Weißwasser'];
const index = createSearchIndex(NAMES);
const find = (query: string, limit = 10) => index.find(query, limit).map((position) => NAMES[position]);

describe('search index', () => {
  test('finds the beginning of any word, in the order of the names', () => {
    expect(find('york')).toEqual(['New York', 'York']);
    expect(find('new')).toEqual(['New York', 'Newark', 'New Orleans']);
    expect(find('ork')).toEqual([]);
  });

  test('asks for every word, in any order', () => {
    expect(find('new yo')).toEqual(['New York']);
    expect(find('yo new')).toEqual(['New York']);
    expect(find('new x')).toEqual([]);
  });

  test('folds case, accents and letters of their own', () => {
    expect(find('sao')).toEqual(['São Paulo']);
    expect(find('SÃO p')).toEqual(['São Paulo']);
    expect(find('lodz')).toEqual(['Łódź']);
    expect(find('xian')).toEqual(["Xi'an"]);
    expect(find('weissw')).toEqual(['Weißwasser']);
  });

  test('gives a name once and no more than asked for', () => {
    expect(find('bad')).toEqual(['Baden-Baden']);
    expect(find('new', 2)).toEqual(['New York', 'Newark']);
    expect(find('', 2)).toEqual(['New York', 'São Paulo']);
    expect(find(' .,', 1)).toEqual(['New York']);
  });

  test('equals a plain scan for many queries', () => {
    const syllables = ['ba', 'ben', 'co', 'da', 'el', 'ma', 'mar', 'san', 'ta', 'vi'];
    const names = syllables.flatMap((a) => syllables.flatMap((b) => syllables.map((c) => `${a} ${b}${c}`)));
    const dense = createSearchIndex(names);
    for (const query of ['b', 'ma', 'mar', 'san ta', 'ta san', 'vi v', 'm m m', 'q']) {
      const wanted = names.flatMap((name, position) => (holds(name, query) ? [position] : [])).slice(0, 25);
      expect(dense.find(query, 25), query).toEqual(wanted);
    }
  });
});

function holds(name: string, query: string): boolean {
  return toWords(query).every((prefix) => toWords(name).some((word) => word.startsWith(prefix)));
}
