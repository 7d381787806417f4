import { createCallContext, type CallKey, type FieldPath } from '@bascule/core';
import { createHead } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { callKeyOf } from '../src/call-key.ts';

const NAME: FieldPath = { path: 'user.user_name', jsonNames: ['user', 'userName'], numbers: [1, 2], type: 'string' };

function keyOf(key: CallKey, fields: string[] = [], call: { firstMessage?: Uint8Array; peer?: string } = {}) {
  const context = Object.assign(createCallContext('x', 0, '10.1.1.1'), call);
  context.principal = { id: 'p', claims: { sub: 'anna', empty: '' } };
  return callKeyOf(createHead({ fields, call: context }), key);
}

describe('callKeyOf', () => {
  it('takes the address of the peer', () => {
    expect(keyOf({ from: 'peer' })).toBe('10.1.1.1');
    expect(keyOf({ from: 'peer' }, [], { peer: '' })).toBeUndefined();
  });

  it.each([
    [['x-user', 'a'], 'a'],
    [['x-user', 'a', 'x-other', 'c', 'x-user', 'b'], 'a, b'],
    [['x-user', ''], undefined],
    [[], undefined],
  ])('takes a header from %j', (fields, key) => {
    expect(keyOf({ from: 'header', name: 'X-User' }, fields)).toBe(key);
  });

  it.each([
    ['a=1', '1'],
    ['b=2; a=1', '1'],
    ['b=2;a=1', '1'],
    ['xa=2; a=1', '1'],
    ['A=2; a=1', '1'],
    ['a=1; a=2', '1'],
    ['a=; a=2', '2'],
    [' a = 1 ; b=2', '1'],
    ['a="q x"', '"q x"'],
    ['a=b=c==', 'b=c=='],
    ['a; b=1; a=2', '2'],
    ['a', undefined],
    ['', undefined],
    [';;;=;', undefined],
    ['=1', undefined],
    ['b=a=1', undefined],
  ])('takes a cookie from %j', (list, key) => {
    expect(keyOf({ from: 'cookie', name: 'a' }, ['cookie', list])).toBe(key);
  });

  it('looks through every cookie field, since HTTP/2 may cut the list', () => {
    expect(keyOf({ from: 'cookie', name: 'a' }, ['cookie', 'b=1', 'x', 'a=7', 'cookie', 'a=2'])).toBe('2');
  });

  it('reads long lists in one pass', () => {
    const list = `${';'.repeat(4_000_000)}b=1`;
    expect(keyOf({ from: 'cookie', name: 'a' }, ['cookie', list])).toBeUndefined();
  });

  it('takes a claim, and no member that every object has', () => {
    expect(keyOf({ from: 'claim', name: 'sub' })).toBe('anna');
    expect(keyOf({ from: 'claim', name: 'empty' })).toBeUndefined();
    expect(keyOf({ from: 'claim', name: 'constructor' })).toBeUndefined();
    expect(callKeyOf(createHead(), { from: 'claim', name: 'sub' })).toBeUndefined();
  });

  it('takes a field of the first message, as its content type is', () => {
    const key: CallKey = { from: 'field', field: NAME };
    const proto = Buffer.from([0x0a, 0x06, 0x12, 0x04, ...Buffer.from('anna')]);
    const json = Buffer.from('{"user":{"userName":"anna"}}');
    expect(keyOf(key, ['content-type', 'application/grpc'], { firstMessage: proto })).toBe('anna');
    expect(keyOf(key, ['content-type', 'application/grpc+proto'], { firstMessage: proto })).toBe('anna');
    expect(keyOf(key, ['content-type', 'application/grpc+json'], { firstMessage: json })).toBe('anna');
    expect(keyOf(key, ['content-type', 'application/grpc'], { firstMessage: json })).toBeUndefined();
    expect(keyOf(key, ['content-type', 'application/grpc'])).toBeUndefined();
  });
});
