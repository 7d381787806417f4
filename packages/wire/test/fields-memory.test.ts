import type { RequestHead } from '@bascule/core';
import { createHead, fuzzing, startCall } from '@bascule/testing';
import { array, assert, constantFrom, property, tuple } from 'fast-check';
import { expect, it } from 'vitest';
import { FieldsMemory } from '../src/fields-memory.ts';
import { ByteBuffer } from '../src/http2/byte-buffer.ts';
import { RequestEncoder } from '../src/http2/client/request.ts';
import { HpackDecoder } from '../src/http2/hpack/decoder.ts';
import { createEdge } from './dialect/support/callee.ts';

function keep(memory: FieldsMemory<string>, fields: string[], beside: string, value: string): void {
  expect(memory.find(fields, fields.length, beside)).toBeUndefined();
  if (memory.wants(fields)) memory.remember(fields, beside, value);
}

it('knows a list by all that it holds, and by what stands beside it', () => {
  const memory = new FieldsMemory<string>(1);
  keep(memory, ['a', '1', 'b', '2'], 'x', 'first');
  expect(memory.find(['a', '1', 'b', '2'], 4, 'x')).toBe('first');
  expect(memory.find(['a', '1', 'b', '2', 'c', '3'], 4, 'x')).toBe('first');
  // Of equal length and, in the middle, of equal letters: their hashes are the same.
  expect(memory.find(['a', '1', 'b', '3'], 4, 'x')).toBeUndefined();
  expect(memory.find(['a', '1', 'b', '2'], 4, 'y')).toBeUndefined();
  expect(memory.find(['a', '1'], 2, 'x')).toBeUndefined();
});

it('gives a place that is taken to what comes twice in a row', () => {
  const memory = new FieldsMemory<string>(1);
  keep(memory, ['a', 'one'], '', 'first');
  keep(memory, ['a', 'three'], '', 'second');
  expect(memory.find(['a', 'one'], 2, '')).toBe('first');
  keep(memory, ['a', 'fourth'], '', 'third');
  keep(memory, ['a', 'three'], '', 'second');
  keep(memory, ['a', 'three'], '', 'second');
  expect(memory.find(['a', 'three'], 2, '')).toBe('second');
});

it('does not keep what is long', () => {
  const memory = new FieldsMemory<string>(4);
  const long = ['a', 'x'.repeat(5_000)];
  keep(memory, long, '', 'long');
  keep(memory, long, '', 'long');
});

const name = constantFrom('x-a', 'x-b', 'authorization', 'te', 'connection', 'grpc-timeout');
const value = constantFrom('1', '2', 'trailers', 'one and another', 'ö');
const fields = array(tuple(name, value), { maxLength: 6 }).map((pairs) => pairs.flat());

it('request heads mean the same whether they were sent before or not', () => {
  const encoder = new RequestEncoder('peer.test');
  const decoder = new HpackDecoder({ maxTableBytes: 0, maxListBytes: 65_536, maxPairs: 100 });
  assert(
    property(fields, (given) => {
      const out = new ByteBuffer(64);
      expect(encoder.encode(createHead({ fields: given }), out)).toBeUndefined();
      const pairs = given.flatMap((each, i) => (i % 2 === 0 ? [[each, given[i + 1] as string] as const] : []));
      const sent = pairs.filter(([each, text]) => each !== 'connection' && (each !== 'te' || text === 'trailers'));
      expect(decoder.decode(out.bytes, 0, out.length)?.slice(8)).toEqual(sent.flat());
    }),
    fuzzing(300),
  );
});

it('callers with equal fields are told apart by their address', () => {
  const edge = createEdge();
  const callFrom = (peer: string): RequestHead => {
    const head = createHead({ fields: ['content-type', 'application/grpc', 'x-same', 'fields'] });
    return { ...head, call: { ...head.call, peer } };
  };
  const peers = ['10.0.0.1', '10.0.0.2', '10.0.0.1', '10.0.0.2', '10.0.0.2', '10.0.0.1'];
  for (const peer of peers) startCall(edge.service, callFrom(peer)).body.cancel('caller-gone');
  expect(edge.calls.map(({ head }) => head.fields.at(-1))).toEqual(peers);
});
