import * as fc from 'fast-check';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { Base64Decoder, decodeBase64, toBase64 } from '../../src/dialect/base64.ts';
import { parseGetQuery } from '../../src/dialect/connect/query.ts';
import { FrameScanner } from '../../src/dialect/frame-scanner.ts';
import { AnswerScanner, MAX_STATUS_BYTES } from '../../src/dialect/upstream-scanner.ts';
import { cutAt } from './support/cuts.ts';

/** Mostly not. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, arbitrary);

const points = fc.array(fc.nat(400), { maxLength: 10 });

/** Mostly frames, so that a scanner gets beyond the first byte; then bytes of them changed, or cut off. */
const frames = fc
  .array(
    fc.record({
      flags: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(0, 1, 2, 3, 0x80, 0x81) }, fc.nat(255)),
      payload: fc.uint8Array({ maxLength: 60 }),
    }),
    { maxLength: 6 },
  )
  .map((list) =>
    Buffer.concat(
      list.flatMap(({ flags, payload }) => [Buffer.from([flags, 0, 0, 0, payload.length]), Buffer.from(payload)]),
    ),
  );
const bytes = fc
  .tuple(frames, seldom(fc.tuple(fc.nat(), fc.nat(255))), seldom(fc.nat()))
  .map(([whole, change, end]) => {
    const copy = Buffer.from(whole);
    if (change !== null && copy.length > 0) copy[change[0] % copy.length] = change[1];
    return end === null ? copy : copy.subarray(0, end % (copy.length + 1));
  });

interface Read {
  readonly messages: number;
  readonly fault: string | undefined;
  readonly isAtBoundary: boolean;
}

/** The simplest reader of requests there is: all bytes at once. */
function readRequest(all: Buffer, maxBytes: number, compressible: boolean): Read {
  let at = 0;
  let messages = 0;
  while (at < all.length) {
    const flags = all[at] as number;
    if (flags > 1) return { messages, fault: 'bad-flags', isAtBoundary: false };
    if (flags === 1 && !compressible) return { messages, fault: 'not-compressible', isAtBoundary: false };
    if (at + 5 > all.length) return { messages, fault: undefined, isAtBoundary: false };
    const length = all.readUInt32BE(at + 1);
    messages += 1;
    if (length > maxBytes) return { messages, fault: 'too-large', isAtBoundary: false };
    at += 5 + length;
  }
  return { messages, fault: undefined, isAtBoundary: at === all.length };
}

interface Answered extends Read {
  /** Bytes that are messages of the caller. */
  readonly passed: number;
  readonly end: Buffer | undefined;
}

/** The same for answers that end with a frame of their own. */
function readAnswer(all: Buffer, endFlag: number, compressible: boolean, maxMessages: number): Answered {
  let at = 0;
  let messages = 0;
  let passed = all.length;
  let end: Buffer | undefined;
  const result = (fault: string | undefined, isAtBoundary: boolean): Answered => ({
    messages,
    fault,
    isAtBoundary,
    passed,
    end,
  });
  while (at < all.length) {
    const flags = all[at] as number;
    if (end !== undefined) return result('after-end', false);
    const isBad = (flags & ~endFlag & 0xfe) !== 0;
    const isEnd = (flags & endFlag) !== 0;
    if (isBad || ((flags & 1) !== 0 && !compressible)) {
      passed = at;
      return result(isBad ? 'bad-flags' : 'not-compressible', false);
    }
    if (isEnd) passed = at;
    else if (messages >= maxMessages) {
      passed = at;
      return result('many', false);
    }
    if (at + 5 > all.length) return result(undefined, false);
    const length = all.readUInt32BE(at + 1);
    if (!isEnd) messages += 1;
    else if (length > MAX_STATUS_BYTES) return result('end-too-large', false);
    if (isEnd && at + 5 + length <= all.length) end = all.subarray(at + 5, at + 5 + length);
    at += 5 + length;
  }
  return result(undefined, at === all.length);
}

describe('scanners, against a reader of whole bodies', () => {
  it('of requests find the same messages and the same faults, however the bytes are cut', () => {
    fc.assert(
      fc.property(bytes, points, fc.nat(80), fc.boolean(), (all, at, maxBytes, compressible) => {
        const scanner = new FrameScanner(maxBytes, compressible);
        let fault: string | undefined;
        for (const piece of cutAt(all, at)) {
          fault = scanner.scan(piece);
          if (fault !== undefined) break;
        }
        const expected = readRequest(all, maxBytes, compressible);
        expect({ fault, messages: scanner.messages }).toEqual({ fault: expected.fault, messages: expected.messages });
        if (fault === undefined) expect(scanner.isAtBoundary()).toBe(expected.isAtBoundary);
      }),
      fuzzing(2_000),
    );
  });

  it('of answers pass the same bytes on, and keep the same end', () => {
    const endFlags = fc.constantFrom(0, 2, 0x80);
    fc.assert(
      fc.property(bytes, points, endFlags, fc.boolean(), fc.boolean(), (all, at, endFlag, compressible, one) => {
        const maxMessages = one ? 1 : Number.POSITIVE_INFINITY;
        const scanner = new AnswerScanner({ compressible, endFlag, maxMessages });
        let fault: string | undefined;
        let passed = 0;
        for (const piece of cutAt(all, at)) {
          fault = scanner.scan(piece);
          passed += scanner.passed;
          if (fault !== undefined) break;
        }
        const expected = readAnswer(all, endFlag, compressible, maxMessages);
        expect({ fault, messages: scanner.messages, passed }).toEqual({
          fault: expected.fault,
          messages: expected.messages,
          passed: expected.passed,
        });
        if (fault !== undefined) return;
        expect(scanner.isAtBoundary()).toBe(expected.isAtBoundary);
        expect(scanner.isEnded()).toBe(expected.end !== undefined);
        if (expected.end !== undefined) expect(Buffer.from(scanner.takeEndFrame().bytes)).toEqual(expected.end);
      }),
      fuzzing(2_000),
    );
  });

  it('take no memory for what is only announced', () => {
    const scanner = new AnswerScanner({ compressible: false, endFlag: 0x80, maxMessages: 1 });
    expect(scanner.scan(Uint8Array.of(0x80, 0xff, 0xff, 0xff, 0xff))).toBe('end-too-large');
    // One byte at a time and without an end: nothing above the limit is kept.
    const slow = new AnswerScanner({ compressible: false, endFlag: 0x80, maxMessages: 1 });
    expect(slow.scan(Uint8Array.of(0x80, 0, 4, 0, 0))).toBeUndefined();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < MAX_STATUS_BYTES; i++) slow.scan(Uint8Array.of(1));
    expect(slow.isEnded()).toBe(true);
    expect(slow.takeEndFrame().bytes.length).toBe(MAX_STATUS_BYTES);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MAX_STATUS_BYTES * 40);
  });
});

const STRICT = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

describe('base64, against that of Node', () => {
  it('in pieces that are padded each for itself gives the bytes of all', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 6 }), points, (list, at) => {
        const text = Buffer.from(list.map((each) => Buffer.from(each).toString('base64')).join(''), 'latin1');
        const decoder = new Base64Decoder();
        const out = cutAt(text, at).map((piece) => decoder.decode(piece));
        expect(out).not.toContain(undefined);
        expect(decoder.isAtBoundary()).toBe(true);
        expect(Buffer.concat(out as Uint8Array[])).toEqual(Buffer.concat(list));
      }),
      fuzzing(1_000),
    );
  });

  it('of any text is refused or what Node reads', () => {
    const alphabet = fc.constantFrom(...Array.from('ABCDabcd0189+/-_==='), ' ', '\n', '*', '\xc1', 'Ł');
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 14 }), (text) => {
        const decoded = decodeBase64(text);
        const usual = text.replaceAll('-', '+').replaceAll('_', '/');
        const padded = text.endsWith('=') ? usual : usual.padEnd(Math.ceil(text.length / 4) * 4, '=');
        if (STRICT.test(padded)) expect(Buffer.from(decoded ?? [1])).toEqual(Buffer.from(usual, 'base64'));
        // Padding may stand between groups, since text comes in pieces; all else is no base64.
        else if (decoded !== undefined) expect(padded.match(/.{4}/g)?.join('')).toBe(padded);
        if (/[^A-Za-z0-9+/_=-]/.test(text)) expect(decoded).toBeUndefined();
      }),
      fuzzing(3_000),
    );
  });

  it('of a value comes back in either alphabet, padded or not, also through the query of a GET', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), fc.boolean(), (message, urlSafe, pads) => {
        const node = Buffer.from(message)
          .toString(urlSafe ? 'base64url' : 'base64')
          .replaceAll('=', '');
        const text = pads ? node.padEnd(Math.ceil(node.length / 4) * 4, '=') : node;
        expect(Buffer.from(decodeBase64(text) ?? [1])).toEqual(Buffer.from(message));
        expect(toBase64(message)).toBe(Buffer.from(message).toString('base64'));
        for (const said of [text, encodeURIComponent(text)]) {
          const query = parseGetQuery(`/a.v1.B/C?connect=v1&encoding=proto&base64=1&message=${said}`);
          expect(Buffer.from((query as { message: Uint8Array }).message)).toEqual(Buffer.from(message));
        }
      }),
      fuzzing(1_000),
    );
  });
});
