import { resolveBalancing } from '@bascule/balancer';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { createVirtualClock, type Fields, type VirtualClock } from '@bascule/core';
import { OrcaLoadReportSchema } from '@bascule/schema/gen/peers/xds/orca_pb.ts';
import { describe, expect, it } from 'vitest';
import { createLoads, wantsLoad, type EndpointLoad, type Loads, type PolicyLoad } from '../../src/channel/loads.ts';
import { endpointOf } from '@bascule/testing';

const KEY = 'places-1#1';

type Report = MessageInitShape<typeof OrcaLoadReportSchema>;

function reportOf(applicationUtilization: number, cpuUtilization = 0, rest: Report = {}): string {
  const report = create(OrcaLoadReportSchema, { ...rest, applicationUtilization, cpuUtilization });
  return Buffer.from(toBinary(OrcaLoadReportSchema, report)).toString('base64');
}

const lastOf = (loads: Loads): EndpointLoad | undefined => loads.recent(Infinity).find(({ key }) => key === KEY);

/** Reads trailers of the test's choice as those of one endpoint. */
function rig(clock: VirtualClock = createVirtualClock()) {
  const loads = createLoads(clock);
  const told: [string, PolicyLoad][] = [];
  const read = loads.reader((key, load) => void told.push([key, load]));
  const endpoint = endpointOf();
  const answer = (trailers: Fields): void => read(endpoint, trailers);
  return { loads, clock, answer, told, endpoint };
}

describe('what endpoints say of their load', () => {
  it('is read from the trailers', () => {
    const { loads, clock, answer } = rig();
    answer(['grpc-status', '0', 'endpoint-load-metrics-bin', reportOf(0.75, 0.5)]);
    clock.advance(40);
    expect(lastOf(loads)).toEqual({ key: KEY, applicationUtilization: 0.75, cpuUtilization: 0.5, ageMs: 40 });
    expect(structuredClone(lastOf(loads))).toEqual(lastOf(loads));
    expect([loads.recent(40), loads.recent(39)]).toEqual([[lastOf(loads)], []]);
    loads.retire(KEY);
    expect(lastOf(loads)).toBeUndefined();
  });

  it('is read at most every 250 ms of an endpoint', () => {
    const { loads, clock, answer } = rig();
    const say = (load: number) => answer(['grpc-status', '0', 'endpoint-load-metrics-bin', reportOf(load)]);
    say(0.1);
    clock.advance(249);
    say(0.2);
    expect(lastOf(loads)).toMatchObject({ applicationUtilization: 0.1, ageMs: 249 });
    clock.advance(1);
    say(0.3);
    expect(lastOf(loads)).toMatchObject({ applicationUtilization: 0.3, ageMs: 0 });
  });

  it.each([
    ['nothing', ['grpc-status', '0']],
    ['no base64', ['endpoint-load-metrics-bin', '///not base64 at all!']],
    ['no message', ['endpoint-load-metrics-bin', Buffer.from([0xff, 0xff, 0xff]).toString('base64')]],
    ['more than a report is', ['endpoint-load-metrics-bin', 'A'.repeat(5_000)]],
    ['less than nothing', ['endpoint-load-metrics-bin', reportOf(-1)]],
    ['no number', ['endpoint-load-metrics-bin', reportOf(NaN)]],
    ['more than any number', ['endpoint-load-metrics-bin', reportOf(0.1, Infinity)]],
    ['fewer calls than none', ['endpoint-load-metrics-bin', reportOf(0.1, 0, { rpsFractional: -1 })]],
    ['no number of errors', ['endpoint-load-metrics-bin', reportOf(0.1, 0, { eps: NaN })]],
  ])('is not known after %s', (_name, trailers) => {
    const { loads, answer, told } = rig();
    answer(trailers);
    expect([lastOf(loads), told]).toEqual([undefined, []]);
  });

  it.each([
    ['its own word before its processor', reportOf(0.5, 0.9, { rpsFractional: 20, eps: 2 }), 0.5],
    ['its processor where it says nothing itself', reportOf(0, 0.9, { rpsFractional: 20, eps: 2 }), 0.9],
  ])('is told to the balancer: %s', (_name, report, utilization) => {
    const { answer, told } = rig();
    answer(['grpc-status', '0', 'endpoint-load-metrics-bin', report]);
    expect(told).toEqual([[KEY, { utilization, qps: 20, eps: 2 }]]);
  });

  it('is told to each balancer that the endpoint is in', () => {
    const { loads, answer, told, endpoint } = rig();
    const others: string[] = [];
    const other = loads.reader((key) => void others.push(key));
    const trailers = ['endpoint-load-metrics-bin', reportOf(0.5)];
    answer(trailers);
    other(endpoint, trailers);
    answer(trailers);
    expect([told.length, others.length]).toEqual([1, 1]);
  });

  it.each([
    [{ name: 'orca-weighted-round-robin', blackoutMs: 1, expirationMs: 1, updateMs: 100, errorPenalty: 1 }, true],
    [{ name: 'dynamic-weight', updateMs: 1000, gain: 0.3 }, true],
    [{ name: 'round-robin', weighted: true }, false],
  ] as const)('is looked at for policies that weigh by it: $name', (policy, wants) => {
    expect(wantsLoad(resolveBalancing({ policy }))).toBe(wants);
  });
});
