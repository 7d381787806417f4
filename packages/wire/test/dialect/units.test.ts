import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack, StringValueSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { Base64Decoder, decodeBase64 } from '../../src/dialect/base64.ts';
import { decodeStatusDetails } from '../../src/dialect/connect/status-details.ts';
import { parseConnectTimeout, parseGrpcTimeout } from '../../src/dialect/timeout.ts';

describe('timeouts', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['99999999S', 99_999_999_000],
    ['10m', 10],
    ['5u', 0.005],
    ['0n', 0],
  ])('grpc-timeout %s', (value, ms) => expect(parseGrpcTimeout(value)).toBeCloseTo(ms, 9));
  it.each(['', 'S', '1', '1s', ' 1S', '+1S', '1.5S', '0x1S', '123456789S'])('grpc-timeout %j is malformed', (value) =>
    expect(parseGrpcTimeout(value)).toBeUndefined(),
  );
  it('connect-timeout-ms', () => {
    expect(parseConnectTimeout('9999999999')).toBe(9_999_999_999);
    for (const value of ['', '-1', '1e3', ' 1', '10000000000']) expect(parseConnectTimeout(value)).toBeUndefined();
  });
});

describe('base64', () => {
  it('takes padding between groups', () => {
    const decoder = new Base64Decoder();
    expect(Buffer.from(decoder.decode(Buffer.from('YQ==YWI=YWJj')) ?? []).toString()).toBe('aababc');
    expect(decoder.isAtBoundary()).toBe(true);
  });
  it.each(['YQ=a', 'YQ=YWJj=', '=', 'Y===', 'YW\nI=', 'Y Q=', 'YQ==='])('refuses %j', (text) => {
    const decoder = new Base64Decoder();
    expect(decoder.decode(Buffer.from(text)) !== undefined && decoder.isAtBoundary()).toBe(false);
  });
  it.each(['Y', 'YWI=Y', 'YQ='])('is not at its end after %j', (text) => {
    const decoder = new Base64Decoder();
    expect(decoder.decode(Buffer.from(text))).toBeDefined();
    expect(decoder.isAtBoundary()).toBe(false);
  });
  it('takes both alphabets, padded or not, as a value', () => {
    for (const value of ['-_8', '+/8=', '+/8']) expect([...(decodeBase64(value) ?? [])]).toEqual([251, 255]);
    expect(decodeBase64('A')).toBeUndefined();
  });
});

describe('status details', () => {
  const any = toBinary(StringValueSchema, create(StringValueSchema, { value: 'x' }));
  const packed = anyPack(StringValueSchema, create(StringValueSchema, { value: 'x' }));
  const field = (number: number, bytes: Uint8Array): Buffer =>
    Buffer.concat([Buffer.of(number * 8 + 2, bytes.length), bytes]);
  const detail = Buffer.concat([field(1, Buffer.from(packed.typeUrl)), field(2, packed.value)]);
  const status = Buffer.concat([
    Buffer.of(8, 5),
    field(2, Buffer.from('grüße')),
    field(3, detail),
    field(3, detail),
    Buffer.of(0x25, 1, 2, 3, 4),
  ]);

  it('are read from google.rpc.Status', () => {
    const expected = {
      type: 'google.protobuf.StringValue',
      value: Buffer.from(any).toString('base64').replaceAll('=', ''),
    };
    expect(decodeStatusDetails(status.toString('base64'))).toEqual({ message: 'grüße', details: [expected, expected] });
  });
  it('are nothing when malformed, wherever they are cut', () => {
    const whole = new Set([0, 2, 2 + 2 + 7, 2 + 9 + 2 + detail.length, 2 + 9 + 4 + 2 * detail.length]);
    for (let end = 0; end < status.length; end++) {
      const read = decodeStatusDetails(status.subarray(0, end).toString('base64'));
      if (!whole.has(end)) expect(read, `cut at ${end}`).toBeUndefined();
    }
    expect(decodeStatusDetails('!')).toBeUndefined();
    expect(
      decodeStatusDetails(Buffer.from([0x1a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]).toString('base64')),
    ).toBeUndefined();
    expect(decodeStatusDetails(Buffer.from([0x0b]).toString('base64'))).toBeUndefined();
  });
});
