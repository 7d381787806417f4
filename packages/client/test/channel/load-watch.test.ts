import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import {
  callError,
  Code,
  createVirtualClock,
  type Link,
  type Reply,
  type RequestHead,
  type Service,
  type VirtualClock,
} from '@bascule/core';
import { OrcaLoadReportRequestSchema } from '@bascule/schema/gen/peers/xds/open_rca_pb.ts';
import { OrcaLoadReportSchema } from '@bascule/schema/gen/peers/xds/orca_pb.ts';
import { endpointOf } from '@bascule/testing';
import { encodeFrame } from '@bascule/wire';
import { describe, expect, it } from 'vitest';
import { createLoads } from '../../src/index.ts';
import type { PolicyLoad } from '../../src/channel/loads.ts';

const KEY = 'places-1#1';

/** A question that was asked, and how to answer it. */
interface Question {
  readonly head: RequestHead;
  readonly reply: Reply;
  periodMs: number;
  state: 'open' | 'ended' | 'cancelled';
}

/** A way to an endpoint that does what the test says. */
function createWay(clock: VirtualClock) {
  const questions: Question[] = [];
  let listener: (ready: boolean) => void = () => undefined;
  let isReady = true;
  const service: Service = (head, reply) => {
    const question: Question = { head, reply, periodMs: 0, state: 'open' };
    questions.push(question);
    return {
      write(bytes) {
        const { reportInterval } = fromBinary(OrcaLoadReportRequestSchema, bytes.subarray(5));
        question.periodMs = reportInterval === undefined ? 0 : durationMs(reportInterval);
      },
      end: () => void (question.state = 'ended'),
      cancel: () => void (question.state = 'cancelled'),
      grant() {},
    };
  };
  const createLink = (): Link => ({
    service,
    isReady: () => isReady,
    onReadyChange: (next) => void (listener = next),
    close: () => Promise.resolve(),
    destroy() {},
  });
  const turn = (ready: boolean): void => {
    isReady = ready;
    listener(ready);
  };
  const loads = createLoads(clock);
  const told: [string, PolicyLoad][] = [];
  const createWatch = () => loads.watcher((key, load) => void told.push([key, load]));
  return { questions, createLink, turn, loads, told, createWatch };
}

function reportOf(applicationUtilization: number, rest: { rpsFractional?: number; eps?: number } = {}): Uint8Array {
  return encodeFrame(
    0,
    toBinary(OrcaLoadReportSchema, create(OrcaLoadReportSchema, { applicationUtilization, ...rest })),
  );
}

const begin = (clock = createVirtualClock(3)) => {
  const way = createWay(clock);
  const watch = way.createWatch();
  watch.configure(5_500);
  const link = watch.watch(endpointOf(), way.createLink());
  return { ...way, clock, watch, link, last: () => way.questions.at(-1) as Question };
};

describe('an endpoint that is asked for its load', () => {
  it('is asked once, and tells what it says', () => {
    const { questions, last, loads, told, clock } = begin();
    expect(questions).toHaveLength(1);
    expect(last()).toMatchObject({ periodMs: 5_500, state: 'ended' });
    expect(last().head.path).toBe('/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics');
    const bytes = Buffer.concat([reportOf(0.5, { rpsFractional: 10, eps: 1 }), reportOf(0.25)]);
    last().reply.head({ status: 200, fields: [] });
    for (const byte of bytes) last().reply.write(Uint8Array.of(byte));
    expect(told).toEqual([
      [KEY, { utilization: 0.5, qps: 10, eps: 1 }],
      [KEY, { utilization: 0.25, qps: 0, eps: 0 }],
    ]);
    expect(loads.recent(0)).toEqual([{ key: KEY, applicationUtilization: 0.25, cpuUtilization: 0, ageMs: 0 }]);
    expect([questions.length, clock.pending()]).toEqual([1, 0]);
  });

  it('is asked again after longer and longer pauses, and after a short one once it has said something', () => {
    const { questions, last, clock } = begin();
    const pauses = Array.from({ length: 14 }, () => {
      const nowMs = clock.nowMs();
      const { length } = questions;
      last().reply.fail(callError(Code.unavailable, 'gone'));
      while (questions.length === length) clock.advance(100);
      return clock.nowMs() - nowMs;
    });
    pauses.forEach((pause, i) => {
      const mean = Math.min(120_000, 1_000 * 1.6 ** i);
      expect(pause).toBeGreaterThanOrEqual(mean * 0.8);
      expect(pause).toBeLessThanOrEqual(mean * 1.2 + 100);
    });
    last().reply.write(reportOf(0.1));
    last().reply.end(['grpc-status', '0']);
    const { length } = questions;
    clock.advance(1_201);
    expect(questions).toHaveLength(length + 1);
  });

  it('is not asked again when it knows nothing of it, until there is a new connection', () => {
    const { questions, last, clock, turn } = begin();
    last().reply.end(['grpc-status', '12']);
    clock.advance(1_000_000);
    expect(questions).toHaveLength(1);
    turn(false);
    turn(true);
    expect(questions).toHaveLength(2);
  });

  it('is asked no more when the way is not ready or closed, whatever was due', async () => {
    const { questions, last, clock, turn, link } = begin();
    turn(false);
    expect(last().state).toBe('cancelled');
    turn(true);
    last().reply.fail(callError(Code.unavailable, 'gone'));
    expect(clock.pending()).toBe(1);
    turn(false);
    expect(clock.pending()).toBe(0);
    turn(true);
    await link.close();
    expect(last().state).toBe('cancelled');
    turn(true);
    expect(questions).toHaveLength(3);
  });

  it('is asked by one stream for all, as often as the most curious wants', async () => {
    const { questions, last, link, watch, told, createWatch, createLink } = begin();
    const other = createWatch();
    other.configure(10_000);
    const second = other.watch(endpointOf(), createLink());
    expect(questions).toHaveLength(1);
    other.configure(1_000);
    expect([questions.length, last().periodMs, questions[0]?.state]).toEqual([2, 1_000, 'cancelled']);
    last().reply.write(reportOf(0.5));
    expect(told).toHaveLength(2);
    await second.close();
    expect([questions.length, last().periodMs]).toEqual([3, 5_500]);
    watch.configure(undefined);
    expect(last().state).toBe('cancelled');
    watch.configure(2_000);
    expect(last().periodMs).toBe(2_000);
    link.destroy();
    expect(last().state).toBe('cancelled');
  });

  it.each([
    ['nonsense', encodeFrame(0, Uint8Array.of(0xff, 0xff))],
    ['something compressed', encodeFrame(1, Uint8Array.of(1, 2, 3))],
    ['less than nothing', reportOf(-1)],
  ])('may say %s, which counts for nothing', (_, bytes) => {
    const { last, told, questions } = begin();
    last().reply.write(bytes);
    last().reply.write(reportOf(0.5));
    expect([told.length, questions.length, last().state]).toEqual([1, 1, 'ended']);
  });

  it('is left for a time when its report is larger than one can be', () => {
    const { last, questions, clock } = begin();
    last().reply.write(Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff));
    expect(last().state).toBe('cancelled');
    clock.advance(1_201);
    expect(questions).toHaveLength(2);
  });
});
