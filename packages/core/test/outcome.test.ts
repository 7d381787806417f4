import { describe, expect, it } from 'vitest';
import {
  Code,
  CODE_NAMES,
  callError,
  codeFromHttpStatus,
  codeFromName,
  codeName,
  decodeMessage,
  encodeMessage,
  httpStatusOf,
  outcomeOfEnd,
  outcomeOfFail,
  parseCode,
  trailersOf,
} from '../src/index.ts';

describe('codes', () => {
  it('have the numbers and names of the specification', () => {
    expect(Object.values(Code)).toEqual([...Array(17).keys()]);
    expect(CODE_NAMES).toHaveLength(17);
    expect(codeName(Code.deadlineExceeded)).toBe('deadline_exceeded');
    expect(codeName(99)).toBe('unknown');
    expect(codeFromName('unauthenticated')).toBe(16);
    expect(codeFromName('ok')).toBeUndefined();
    expect(codeFromName('constructor')).toBeUndefined();
  });

  it.each([
    ['0', Code.ok],
    ['16', Code.unauthenticated],
    ['17', Code.unknown],
    ['-1', Code.unknown],
    ['', Code.unknown],
    ['1e1', Code.unknown],
    ['007', Code.unknown],
    ['00', Code.unknown],
  ])('grpc-status %j reads as %i', (text, code) => {
    expect(parseCode(text)).toBe(code);
  });

  it.each([
    [200, Code.unknown],
    [400, Code.internal],
    [401, Code.unauthenticated],
    [403, Code.permissionDenied],
    [404, Code.unimplemented],
    [429, Code.unavailable],
    [431, Code.unknown],
    [500, Code.unknown],
    [502, Code.unavailable],
    [503, Code.unavailable],
    [504, Code.unavailable],
    [999, Code.unknown],
  ])('HTTP %i without a status reads as %i', (status, code) => {
    expect(codeFromHttpStatus(status)).toBe(code);
  });
});

it('tells the HTTP status of each code, as Connect has it', () => {
  const statuses = Object.entries(Code).map(([name, code]) => `${name} ${httpStatusOf(code)}`);
  expect(statuses).toEqual([
    'ok 200',
    'canceled 499',
    'unknown 500',
    'invalidArgument 400',
    'deadlineExceeded 504',
    'notFound 404',
    'alreadyExists 409',
    'permissionDenied 403',
    'resourceExhausted 429',
    'failedPrecondition 400',
    'aborted 409',
    'outOfRange 400',
    'unimplemented 501',
    'internal 500',
    'unavailable 503',
    'dataLoss 500',
    'unauthenticated 401',
  ]);
});

describe('grpc-message', () => {
  it.each([
    ['plain text, all of it ~', 'plain text, all of it ~'],
    ['50 %', '50 %25'],
    ['a\nb', 'a%0Ab'],
    ['é', '%C3%A9'],
    ['👋', '%F0%9F%91%8B'],
    ['  two each  ', '%20 two each %20'],
    [' ', '%20'],
  ])('%j goes as %j and comes back', (text, wire) => {
    expect(encodeMessage(text)).toBe(wire);
    expect(decodeMessage(wire)).toBe(text);
  });

  it('keeps what does not decode as it is', () => {
    expect(decodeMessage('100%')).toBe('100%');
    expect(decodeMessage('%FF')).toBe('%FF');
  });
});

describe('outcome', () => {
  it('is read from trailers, or from the HTTP status where there are none', () => {
    const head = { status: 503, fields: [] };
    expect(outcomeOfEnd(head, ['grpc-status', '0'])).toMatchObject({ code: Code.ok, by: 'callee' });
    expect(outcomeOfEnd(undefined, ['grpc-status', '5', 'grpc-message', 'no%20such'])).toEqual({
      code: Code.notFound,
      by: 'callee',
      message: 'no such',
    });
    expect(outcomeOfEnd(head, [])).toMatchObject({ code: Code.unavailable });
    expect(outcomeOfEnd(undefined, [])).toMatchObject({ code: Code.unknown });
  });

  it('of a failure on our side says so', () => {
    expect(outcomeOfFail(callError(Code.internal, 'broken'))).toEqual({
      code: Code.internal,
      by: 'wire',
      message: 'broken',
    });
  });

  it('goes out as trailers with details in base64 without padding', () => {
    const error = { ...callError(Code.aborted, 'why?'), details: Uint8Array.of(1, 2, 3, 4) };
    expect(trailersOf(error)).toEqual([
      'grpc-status',
      '10',
      'grpc-message',
      'why?',
      'grpc-status-details-bin',
      'AQIDBA',
    ]);
    expect(trailersOf(callError(Code.aborted, ''))).toEqual(['grpc-status', '10']);
  });
});
