import { expect, it } from 'vitest';
import { getAllFields, getField, NO_FIELDS, withField, withoutFields } from '../src/index.ts';

const FIELDS = ['a', '1', 'b', '2', 'a', '3'];

it('finds the first value, or all in order', () => {
  expect(getField(FIELDS, 'a')).toBe('1');
  expect(getField(FIELDS, 'c')).toBeUndefined();
  // A value that looks like a name is not one.
  expect(getField(['x', 'a', 'y', 'z'], 'a')).toBeUndefined();
  expect(getAllFields(FIELDS, 'a')).toEqual(['1', '3']);
});

it('copies with one value in the first place of the name, or at the end', () => {
  expect(withField(FIELDS, 'a', '9')).toEqual(['a', '9', 'b', '2']);
  expect(withField(FIELDS, 'c', '9')).toEqual([...FIELDS, 'c', '9']);
  expect(FIELDS).toEqual(['a', '1', 'b', '2', 'a', '3']);
});

it('copies without names', () => {
  expect(withoutFields(FIELDS, new Set(['a']))).toEqual(['b', '2']);
  expect(withoutFields(FIELDS, new Set())).toEqual(FIELDS);
});

it('shares an empty list that nobody can fill', () => {
  expect(() => (NO_FIELDS as string[]).push('a', '1')).toThrow(TypeError);
});
