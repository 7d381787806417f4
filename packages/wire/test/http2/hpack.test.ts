import * as fc from 'fast-check';
import { fuzzing } from '@bascule/testing';
import { describe, expect, test } from 'vitest';
import { ByteBuffer } from '../../src/http2/byte-buffer.ts';
import { HpackDecoder } from '../../src/http2/hpack/decoder.ts';
import { encodeField, encodeInteger, encodeName, encodeRawValue } from '../../src/http2/hpack/encoder.ts';
import { decodeHuffman, encodeHuffman, huffmanLength } from '../../src/http2/hpack/huffman.ts';

function decoder(maxTableBytes = 4096, maxListBytes = 16_384, maxPairs = 100): HpackDecoder {
  return new HpackDecoder({ maxTableBytes, maxListBytes, maxPairs });
}

function decode(from: HpackDecoder, hex: string): string[] | undefined {
  const bytes = Buffer.from(hex, 'hex');
  return from.decode(bytes, 0, bytes.length);
}

const CUSTOM = ['custom-key', 'custom-value'];
const FIRST = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
const SECOND = [...FIRST, 'cache-control', 'no-cache'];
const THIRD = [
  ':method',
  'GET',
  ':scheme',
  'https',
  ':path',
  '/index.html',
  ':authority',
  'www.example.com',
  ...CUSTOM,
];
const DATE_21 = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
const DATE_22 = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'];
const PRIVATE = ['cache-control', 'private'];
const LOCATION = ['location', 'https://www.example.com'];
const COOKIE = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'];
const ANSWER_1 = [':status', '302', ...PRIVATE, ...DATE_21, ...LOCATION];
const ANSWER_2 = [':status', '307', ...PRIVATE, ...DATE_21, ...LOCATION];
const ANSWER_3 = [':status', '200', ...PRIVATE, ...DATE_22, ...LOCATION, 'content-encoding', 'gzip', ...COOKIE];

/** RFC 7541, Appendix C: blocks of one connection, their fields, and the size of the table after each. */
const VECTORS: { name: string; tableBytes: number; blocks: [hex: string, fields: string[], tableBytes: number][] }[] = [
  {
    name: 'C.2.1 literal with indexing',
    tableBytes: 4096,
    blocks: [['400a637573746f6d2d6b65790d637573746f6d2d686561646572', ['custom-key', 'custom-header'], 55]],
  },
  {
    name: 'C.2.2 literal without indexing',
    tableBytes: 4096,
    blocks: [['040c2f73616d706c652f70617468', [':path', '/sample/path'], 0]],
  },
  {
    name: 'C.2.3 literal never indexed',
    tableBytes: 4096,
    blocks: [['100870617373776f726406736563726574', ['password', 'secret'], 0]],
  },
  { name: 'C.2.4 indexed', tableBytes: 4096, blocks: [['82', [':method', 'GET'], 0]] },
  {
    name: 'C.3 requests without Huffman',
    tableBytes: 4096,
    blocks: [
      ['828684410f7777772e6578616d706c652e636f6d', FIRST, 57],
      ['828684be58086e6f2d6361636865', SECOND, 110],
      ['828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565', THIRD, 164],
    ],
  },
  {
    name: 'C.4 requests with Huffman',
    tableBytes: 4096,
    blocks: [
      ['828684418cf1e3c2e5f23a6ba0ab90f4ff', FIRST, 57],
      ['828684be5886a8eb10649cbf', SECOND, 110],
      ['828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf', THIRD, 164],
    ],
  },
  {
    name: 'C.5 responses without Huffman, with eviction',
    tableBytes: 256,
    blocks: [
      [
        '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54' +
          '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
        ANSWER_1,
        222,
      ],
      ['4803333037c1c0bf', ANSWER_2, 222],
      [
        '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48' +
          '514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
        ANSWER_3,
        215,
      ],
    ],
  },
  {
    name: 'C.6 responses with Huffman, with eviction',
    tableBytes: 256,
    blocks: [
      [
        '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        ANSWER_1,
        222,
      ],
      ['4883640effc1c0bf', ANSWER_2, 222],
      [
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af2708' +
          '7f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
        ANSWER_3,
        215,
      ],
    ],
  },
];

describe('HPACK decoder', () => {
  test.each(VECTORS)('$name', ({ tableBytes, blocks }) => {
    const from = decoder(tableBytes);
    for (const [hex, fields, size] of blocks) {
      expect(decode(from, hex)).toEqual(fields);
      expect(from.tableBytes).toBe(size);
    }
  });

  test.each([
    ['index 0', '80'],
    ['an index beyond the tables', 'be'],
    ['a name index beyond the tables', '7f0061'],
    ['a cut field', '40'],
    ['a cut string', '400a6375'],
    ['an endless integer', 'ffffffffffffffffff'],
    ['an integer above all limits', '7fffffff7f'],
    ['a table larger than allowed', '3fe2ff7f'],
    ['a table size update after a field', '8220'],
    ['a Huffman string with EOS', '0084ffffffff00'],
    ['Huffman padding of zeros', '00811800'],
    ['Huffman padding of more than 7 bits', '0082fffe00'],
  ])('refuses %s with COMPRESSION_ERROR', (_name, hex) => {
    expect(() => decode(decoder(), hex)).toThrow(expect.objectContaining({ code: 9 }));
  });

  test('a bomb of references is too large, costs nothing, and leaves the table right', () => {
    const from = decoder(8192);
    const value = 'x'.repeat(3900);
    const out = new ByteBuffer(64);
    encodeInteger(out, 0, 6, 0x40);
    out.append(Buffer.from([1, 0x61]));
    encodeInteger(out, value.length, 7, 0);
    out.append(Buffer.from(value));
    expect(from.decode(out.bytes, 0, out.length)).toEqual(['a', value]);
    const bomb = Buffer.alloc(16_000, 0xbe);
    expect(from.decode(bomb, 0, bomb.length)).toBeUndefined();
    expect(decode(from, 'be')).toEqual(['a', value]);
  });

  test('more pairs than allowed are too large', () => {
    expect(decode(decoder(0, 16_384, 2), '8286')).toHaveLength(4);
    expect(decode(decoder(0, 16_384, 2), '828684')).toBeUndefined();
  });

  test('a table of 0 keeps nothing', () => {
    const from = decoder(0);
    expect(decode(from, '20400a637573746f6d2d6b65790d637573746f6d2d686561646572')).toEqual([
      'custom-key',
      'custom-header',
    ]);
    expect(() => decode(from, 'be')).toThrow(/no entry/);
  });
});

const octets = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const fieldName = fc.string({
  unit: fc.constantFrom(...Array.from('abcdefghijklmnopqrstuvwxyz0123456789-_.')),
  minLength: 1,
});

describe('HPACK encoder', () => {
  test('integers as in C.1', () => {
    const out = new ByteBuffer(16);
    encodeInteger(out, 10, 5, 0);
    encodeInteger(out, 1337, 5, 0);
    encodeInteger(out, 42, 8, 0);
    expect(out.bytes.subarray(0, out.length).toString('hex')).toBe('0a1f9a0a2a');
  });

  test('every octet string survives Huffman both ways', () => {
    fc.assert(
      fc.property(octets, (text) => {
        const bytes = Buffer.alloc(huffmanLength(text));
        expect(encodeHuffman(text, bytes, 0)).toBe(bytes.length);
        expect(decodeHuffman(bytes, 0, bytes.length)).toBe(text);
      }),
      fuzzing(100),
    );
  });

  test('what it encodes decodes to the same, prepared or raw', () => {
    const value = octets.map((text) => text.replaceAll(/[\0\r\n]/g, '.'));
    fc.assert(
      fc.property(fc.array(fc.tuple(fieldName, value, fc.boolean()), { maxLength: 20 }), (fields) => {
        const out = new ByteBuffer(16);
        for (const [name, text, raw] of fields) {
          if (!raw) encodeField(out, name, text);
          else {
            encodeName(out, name);
            expect(encodeRawValue(out, text)).toBe(true);
          }
        }
        const decoded = decoder(0, 1e6).decode(out.bytes, 0, out.length);
        expect(decoded).toEqual(fields.flatMap(([name, text]) => [name, text]));
      }),
      fuzzing(100),
    );
  });

  test.each(['a\nb', 'a\rb', 'a\0b', 'a\u010ab'])('refuses the value %j, which could end a field', (value) => {
    expect(encodeRawValue(new ByteBuffer(16), value)).toBe(false);
  });

  test('credentials are marked as never indexed', () => {
    const out = new ByteBuffer(16);
    encodeField(out, 'authorization', 'secret');
    expect((out.bytes[0] as number) & 0xf0).toBe(0x10);
  });
});
