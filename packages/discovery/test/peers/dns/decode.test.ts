import { decode, encode, type Answer } from 'dns-packet';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, TYPES } from '../../../src/peers/dns/decode.ts';
import { readResponse } from '../../../src/peers/dns/message.ts';

const nameArb = fc
  .array(fc.stringMatching(/^[a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9_])?$/), { minLength: 1, maxLength: 5 })
  .map((labels) => labels.join('.'));
const shortArb = fc.integer({ min: 0, max: 65_535 });
const ttl = 9;
const recordArb: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ type: fc.constant('A' as const), name: nameArb, ttl: fc.constant(ttl), data: fc.ipV4() }),
  fc.record({ type: fc.constant('AAAA' as const), name: nameArb, ttl: fc.constant(ttl), data: fc.ipV6() }),
  fc.record({ type: fc.constant('CNAME' as const), name: nameArb, ttl: fc.constant(ttl), data: nameArb }),
  fc.record({
    type: fc.constant('SRV' as const),
    name: nameArb,
    ttl: fc.constant(ttl),
    data: fc.record({ priority: shortArb, weight: shortArb, port: shortArb, target: nameArb }),
  }),
);

const ID = 7;
const header = (answers: number): Buffer => {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(ID, 0);
  bytes.writeUInt16BE(0x8400, 2);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
};
const record = (name: number[], type: number, data: number[]): Buffer =>
  Buffer.from([...name, 0, type, 0, 1, 0, 0, 0, 9, data.length >> 8, data.length & 255, ...data]);

describe('a DNS message', () => {
  it('is read as another library writes and reads it', { timeout: fuzzTimeoutMs(20_000) }, () => {
    fc.assert(
      fc.property(fc.array(recordArb, { maxLength: 20 }), nameArb, (answers, name) => {
        const question = { type: 'A' as const, name };
        const bytes = encode({ type: 'response', id: ID, questions: [question], answers });
        const response = readResponse(bytes, ID, question);
        const expected = (decode(bytes).answers ?? []).map((answer) => ({ ...answer }));
        expect(response?.answers.length).toBe(answers.length);
        response?.answers.forEach((one, index) => {
          const other = expected[index] as Extract<Answer, { type: 'A' | 'AAAA' | 'CNAME' | 'SRV' }>;
          expect([one.name, one.type, one.ttlSeconds]).toEqual([other.name, other.type, ttl]);
          if (one.type === 'SRV')
            expect(other.data).toMatchObject({ priority: one.priority, port: one.port, target: one.target });
          else if (one.type === 'CNAME') expect(one.target).toBe(other.data);
          // Both write IPv6 in the shortest form, so that one address is one instance.
          else
            expect(
              new URL(`http://${one.type === 'A' ? one.address : `[${one.address}]`}`).hostname.replace(/[[\]]/g, ''),
            ).toBe(one.address);
        });
      }),
      fuzzing(300),
    );
  });

  it('may compress names, forward as well', () => {
    const bytes = Buffer.concat([header(2), record([0xc0, 28], 1, [1, 2, 3, 4]), record([1, 0x41, 0], 5, [0xc0, 28])]);
    expect(decodeMessage(bytes).answers).toMatchObject([
      { data: { address: '1.2.3.4' } },
      { name: 'a', type: TYPES.CNAME },
    ]);
  });

  it('keeps dots within a label apart from those between labels', () => {
    const bytes = Buffer.concat([header(1), record([3, 0x61, 0x2e, 0x62, 0], 1, [1, 2, 3, 4])]);
    expect(decodeMessage(bytes).answers[0]?.name).toBe('a\\.b');
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['half a header', Buffer.alloc(6)],
    ['a record that is missing', header(1)],
    [
      'a record that goes on behind the end',
      Buffer.concat([header(1), Buffer.from([0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 99, 1])]),
    ],
    ['a name that points at itself', Buffer.concat([header(1), record([0xc0, 12], 1, [1, 2, 3, 4])])],
    ['names that point at each other', Buffer.concat([header(1), record([0xc0, 14, 0xc0, 12], 1, [1, 2, 3, 4])])],
    ['a name that points behind the end', Buffer.concat([header(1), record([0xff, 0xff], 1, [1, 2, 3, 4])])],
    [
      'a label of 64 bytes',
      Buffer.concat([header(1), record([64, ...Array.from({ length: 64 }, () => 97), 0], 1, [1, 2, 3, 4])]),
    ],
    [
      'a name of 256 bytes',
      Buffer.concat([header(1), record([...Array.from({ length: 128 }, () => [1, 97]).flat(), 0], 1, [1, 2, 3, 4])]),
    ],
    ['an IPv4 address of 5 bytes', Buffer.concat([header(1), record([0], 1, [1, 2, 3, 4, 5])])],
    ['an IPv6 address of 4 bytes', Buffer.concat([header(1), record([0], 28, [1, 2, 3, 4])])],
    ['a SOA of 4 bytes', Buffer.concat([header(1), record([0], 6, [1, 2, 3, 4])])],
    ['a SRV record without a target', Buffer.concat([header(1), record([0], 33, [0, 0, 0, 0, 0, 0])])],
  ])('is none when it is %s', (_, bytes) => {
    expect(() => decodeMessage(bytes)).toThrow(RangeError);
  });

  it('of pointers to pointers is given up at the first of them', () => {
    const bytes = Buffer.alloc(65_535);
    header(5_000).copy(bytes);
    // One record whose data is a chain, and thousands whose names are the end of it.
    let at = 23;
    for (let previous = at++; at < 0x3ff0; previous = at, at += 2) bytes.writeUInt16BE(0xc000 | previous, at);
    bytes.writeUInt16BE(999, 13);
    bytes.writeUInt16BE(at - 23, 21);
    for (const last = at - 2; at + 12 <= bytes.length; at += 12) bytes.writeUInt16BE(0xc000 | last, at);
    expect(() => decodeMessage(bytes)).toThrow('too many pointers');
  });

  it('is read or refused, whatever it is', { timeout: fuzzTimeoutMs(20_000) }, () => {
    const whole = encode({
      type: 'response',
      id: ID,
      questions: [{ type: 'SRV', name: 'a.test' }],
      answers: [{ type: 'SRV', name: 'a.test', ttl, data: { target: 'b.test', port: 1, priority: 2, weight: 3 } }],
      additionals: [{ type: 'A', name: 'b.test', ttl, data: '1.2.3.4' }],
    });
    const bytesArb = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([header(3), bytes])),
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      }),
      fc.nat(whole.length).map((length) => whole.subarray(0, length)),
    );
    fc.assert(
      fc.property(bytesArb, (bytes) => {
        const response = readResponse(bytes, ID, { type: 'SRV', name: 'a.test' });
        for (const one of response?.answers ?? []) expect(one.ttlSeconds).toBeLessThanOrEqual(0x7fff_ffff);
      }),
      fuzzing(2_000),
    );
  });
});
