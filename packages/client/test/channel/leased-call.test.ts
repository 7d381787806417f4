import {
  CANCELED_OUTCOME,
  Code,
  OK_OUTCOME,
  type Body,
  type Lease,
  type MethodKind,
  type Outcome,
  type Reply,
  type Service,
} from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { LeasedReply } from '../../src/channel/leased-call.ts';
import type { ReadLoad } from '../../src/channel/loads.ts';
import { endpointOf, SEARCH } from '@bascule/testing';

/** A lease that writes down what it is told. */
function leaseOf(service: Service): { lease: Lease; words: (string | Outcome)[] } {
  const words: (string | Outcome)[] = [];
  return {
    words,
    lease: {
      endpoint: endpointOf(),
      service,
      answered: () => void words.push('answered'),
      moved: () => void words.push('moved'),
      release: (outcome) => void words.push(outcome),
    },
  };
}

/** A call whose callee is the test. */
function rig(kind: MethodKind | undefined, readLoad?: ReadLoad) {
  let callee: Reply | undefined;
  const service: Service = (_head, reply): Body => {
    callee = reply;
    return { write() {}, end() {}, cancel() {}, grant() {} };
  };
  const { lease, words } = leaseOf(service);
  const head = createHead();
  head.call.method = kind && { ...SEARCH, kind };
  const call = startCall((given, reply) => new LeasedReply(reply).run(lease, given, readLoad), head);
  return { call, words, callee: callee as unknown as Reply };
}

/** Two messages and the beginning of a third. */
const TWO_AND_A_BIT = Uint8Array.of(0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0);

describeServiceContract('a call on a lent endpoint', (callee) => ({
  service: (head, reply) => new LeasedReply(reply).run(leaseOf(callee).lease, head),
}));
describeServiceContract('a unary call on a lent endpoint', (callee) => ({
  service(head, reply) {
    head.call.method = SEARCH;
    return new LeasedReply(reply).run(leaseOf(callee).lease, head);
  },
}));

describe('a lease', () => {
  it.each(['server_stream', 'client_stream', 'bidi_stream', undefined] as const)(
    'hears of the first answer and of each message of a stream (%s)',
    (kind) => {
      const { call, words, callee } = rig(kind);
      callee.head({ status: 200, fields: [] });
      call.body.write(TWO_AND_A_BIT);
      expect(words).toEqual(['moved', 'moved']);
      callee.write(TWO_AND_A_BIT.subarray(0, 4));
      expect(words).toHaveLength(2);
      callee.write(TWO_AND_A_BIT.subarray(4));
      expect(words.slice(2)).toEqual(['answered', 'moved', 'moved']);
      callee.write(Uint8Array.of(0, 0, 0));
      callee.end(['grpc-status', '0']);
      expect(words.slice(5)).toEqual(['moved', OK_OUTCOME]);
      callee.write(TWO_AND_A_BIT);
      call.body.write(TWO_AND_A_BIT);
      expect(words).toHaveLength(7);
    },
  );

  it('hears of a unary call only how it ended', () => {
    const { call, words, callee } = rig('unary');
    call.body.write(TWO_AND_A_BIT);
    callee.head({ status: 200, fields: [] });
    callee.write(TWO_AND_A_BIT);
    callee.end(['grpc-status', '14']);
    callee.end(['grpc-status', '0']);
    expect(words).toEqual([{ code: Code.unavailable, by: 'callee', message: '' }]);
  });

  it('comes back once when the caller goes', () => {
    const { call, words, callee } = rig('bidi_stream');
    call.body.cancel('caller-gone');
    callee.end(['grpc-status', '0']);
    call.body.cancel('deadline');
    expect(words).toEqual([CANCELED_OUTCOME]);
  });

  it('comes with a look at the trailers for who wants to know the load', () => {
    const seen: unknown[] = [];
    const { callee } = rig('unary', (...read) => void seen.push(read));
    const trailers = ['grpc-status', '0', 'x', 'y'];
    callee.end(trailers);
    expect(seen).toEqual([[endpointOf(), trailers]]);
  });
});
