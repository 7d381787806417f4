import type { CallPolicy, FieldPath } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { findFields, namePolicy, usesFields } from '../src/index.ts';

const unresolved = (path: string): FieldPath => ({ path, jsonNames: [], numbers: [], type: 'string' });
const found: FieldPath = { path: 'id', jsonNames: ['id'], numbers: [7], type: 'varint' };

describe('a policy of a scope', () => {
  it('gives its name to states that have none', () => {
    const limit = { name: '', perSecond: 1, burst: 1 };
    const policy: CallPolicy = {
      maxTimeoutMs: 5,
      rateLimits: [{ ...limit, name: 'mine' }, limit],
      admission: { name: '' },
      concurrency: { name: 'all' },
    };
    expect(namePolicy(policy, 'a.B/C')).toEqual({
      maxTimeoutMs: 5,
      rateLimits: [
        { ...limit, name: 'mine' },
        { ...limit, name: 'a.B/C#1' },
      ],
      admission: { name: 'a.B/C' },
      concurrency: { name: 'all' },
    });
    expect(namePolicy({}, 'a.B')).toEqual({});
  });

  it('has its fields filled in; a limit without its field counts all, an affinity goes on with its other keys', () => {
    const limit = { name: 'x', perSecond: 1, burst: 1 };
    const keyOf = (path: string) => ({ from: 'field' as const, field: unresolved(path) });
    const policy: CallPolicy = {
      rateLimits: [
        { ...limit, key: keyOf('id') },
        { ...limit, key: keyOf('gone') },
        { ...limit, key: { from: 'peer' } },
      ],
      affinity: { keys: [keyOf('gone'), { from: 'header', name: 'x' }] },
    };
    expect(usesFields(policy)).toBe(true);
    const filled = findFields(policy, (path) => (path === 'id' ? found : undefined));
    expect(filled.rateLimits).toEqual([
      { ...limit, key: { from: 'field', field: found } },
      limit,
      { ...limit, key: { from: 'peer' } },
    ]);
    expect(filled.affinity?.keys).toEqual([{ from: 'header', name: 'x' }]);
    const plain: CallPolicy = { rateLimits: [limit] };
    expect(findFields(plain, () => undefined)).toBe(plain);
  });
});
