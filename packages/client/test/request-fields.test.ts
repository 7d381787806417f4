import { getField } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { toRequestFields } from '../src/request-fields.ts';

const timeoutOf = (remainingMs: number) => getField(toRequestFields([], undefined, remainingMs), 'grpc-timeout');

describe('the fields of a request', () => {
  it.each([
    [0, '1u'],
    [0.5, '500u'],
    [199.7, '199700u'],
    [99_999.999, '99999999u'],
    [100_000.9, '100000m'],
    [99_999_999, '99999999m'],
    [100_000_000, '100000S'],
    [1e12, '277777H'],
  ])('say a remaining time of %d ms as %s, never more and hardly less', (remainingMs, field) => {
    expect(timeoutOf(remainingMs)).toBe(field);
  });

  it('keep the order and the duplicates of pairs', () => {
    const pairs: [string, string][] = [
      ['X-B', '1'],
      ['x-a', ' 2 '],
      ['X-b', '3'],
    ];
    expect(toRequestFields(['te', 'trailers'], pairs, undefined).slice(0, 8)).toEqual([
      'te',
      'trailers',
      'x-b',
      '1',
      'x-a',
      '2',
      'x-b',
      '3',
    ]);
  });
});
