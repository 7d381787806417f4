import { Code, createCallContext, OK_OUTCOME, type Lease, type Outcome, type RequestHead } from '@bascule/core';
import { expect, it } from 'vitest';
import { LeasedReply } from '../../src/channel/leased-call.ts';
import { endpointOf } from '@bascule/testing';

/** What an endpoint is booked for a call that is cancelled with this deadline. */
function bookedFor(reason: 'deadline' | 'caller-gone', timeoutMs: number): Outcome {
  let booked = OK_OUTCOME;
  const lease: Lease = {
    endpoint: endpointOf(),
    service: () => ({ write() {}, end() {}, cancel() {}, grant() {} }),
    answered() {},
    moved() {},
    release: (outcome) => void (booked = outcome),
  };
  const call = createCallContext('1', 100, '127.0.0.1');
  call.deadlineMs = 100 + timeoutMs;
  const head: RequestHead = { method: 'POST', path: '/a.B/C', authority: '', scheme: 'http', fields: [], call };
  const reply = new LeasedReply({ head() {}, write() {}, end() {}, fail() {}, grant() {} });
  reply.run(lease, head).cancel(reason);
  return booked;
}

it.each([
  ['deadline', 1_000, Code.deadlineExceeded, 'wire'],
  ['deadline', 999, Code.canceled, 'caller'],
  ['caller-gone', 60_000, Code.canceled, 'caller'],
] as const)('a call ended by %s of %d ms is booked as %i by the %s', (reason, timeoutMs, code, by) => {
  expect(bookedFor(reason, timeoutMs)).toMatchObject({ code, by });
});
