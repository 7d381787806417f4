import { callError, Code, createVirtualClock } from '@bascule/core';
import { startCall } from '@bascule/testing';
import { expect, it } from 'vitest';
import { createUploadLayer, unaryUploadFloor, type UploadFloor } from '../src/upload.ts';
import { bytesOf, createCallee, knownHead, OK } from './rig.ts';

const FLOOR: UploadFloor = { graceMs: 60_000, minBytesPerSecond: 240 };

function setUp(floor: UploadFloor | undefined = FLOOR) {
  const clock = createVirtualClock();
  const callee = createCallee();
  const call = startCall(createUploadLayer({ clock, floorOf: () => floor })(callee.service), knownHead('unknown'));
  return { clock, call, got: () => callee.calls[0] };
}

it('ends a call whose body comes a byte a second, once the grace is over', () => {
  const { clock, call, got } = setUp();
  for (let second = 0; second < 60; second++) {
    call.body.write(bytesOf('x'));
    clock.advance(1_000);
  }
  expect(call.error).toBeUndefined();
  // Sixty bytes have earned a quarter of a second.
  clock.advance(250);
  expect(call.error).toMatchObject({ code: Code.deadlineExceeded });
  expect(got()?.cancels).toEqual(['deadline']);
  call.body.write(bytesOf('late'));
  expect(got()?.text).toHaveLength(60);
  expect(clock.pending()).toBe(0);
});

it('leaves alone who keeps the pace', () => {
  const { clock, call, got } = setUp();
  for (let second = 0; second < 600; second++) {
    call.body.write(bytesOf('x'.repeat(240)));
    clock.advance(1_000);
  }
  expect(call.error).toBeUndefined();
  call.body.end();
  expect(got()?.ends).toEqual([144_000]);
});

it.each(['request end', 'end', 'fail', 'cancel'] as const)('does not count time after %s', (how) => {
  const { clock, call, got } = setUp();
  if (how === 'request end') call.body.end();
  else if (how === 'end') got()?.reply.end(OK);
  else if (how === 'fail') got()?.reply.fail(callError(Code.internal, 'broken'));
  else call.body.cancel('caller-gone');
  expect(clock.pending()).toBe(0);
  clock.advance(1_000_000);
  expect(call.error?.code).toBe(how === 'fail' ? Code.internal : undefined);
});

it('asks nothing of calls without a floor', () => {
  const { clock, call } = setUp({ ...FLOOR, graceMs: 0, minBytesPerSecond: 1e9 });
  clock.advance(1);
  expect(call.error?.code).toBe(Code.deadlineExceeded);
  const clock2 = createVirtualClock();
  const free = startCall(createUploadLayer({ clock: clock2, floorOf: () => undefined })(createCallee().service));
  expect(clock2.pending()).toBe(0);
  expect(free.error).toBeUndefined();
});

it.each([
  ['unary', undefined, FLOOR],
  ['unary', 60_001, FLOOR],
  ['unary', 60_000, undefined],
  ['client_stream', undefined, undefined],
] as const)('asks %s calls with a deadline at %s for a pace: %o', (kind, deadlineMs, floor) => {
  expect(unaryUploadFloor(knownHead('unknown', kind, { deadlineMs }))).toEqual(floor);
});
