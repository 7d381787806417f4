import { create, toBinary } from '@bufbuild/protobuf';
import {
  createVirtualClock,
  OK_OUTCOME,
  type Fields,
  type Lease,
  type Outcome,
  type Service,
  type VirtualClock,
} from '@bascule/core';
import { OrcaLoadReportSchema } from '@bascule/schema/gen/peers/xds/orca_pb.ts';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { runLeased } from '../../src/channel/leased-call.ts';
import { createLoads, type EndpointLoad, type Loads } from '../../src/channel/loads.ts';
import { endpointOf } from './support.ts';

const KEY = 'places-1#1';

function leaseOf(service: Service): { lease: Lease; released: Outcome[] } {
  const released: Outcome[] = [];
  return {
    lease: {
      endpoint: endpointOf(),
      service,
      answered() {},
      moved() {},
      release: (outcome) => void released.push(outcome),
    },
    released,
  };
}

function reportOf(applicationUtilization: number, cpuUtilization = 0): string {
  const report = create(OrcaLoadReportSchema, { applicationUtilization, cpuUtilization, namedMetrics: { queue: 7 } });
  return Buffer.from(toBinary(OrcaLoadReportSchema, report)).toString('base64');
}

const lastOf = (loads: Loads): EndpointLoad | undefined => loads.recent(Infinity).find(({ key }) => key === KEY);

/** Ends calls with trailers of the test's choice. */
function rig(clock: VirtualClock = createVirtualClock()) {
  const loads = createLoads(clock);
  async function answer(trailers: Fields): Promise<Fields> {
    const { lease } = leaseOf((_head, reply) => ({
      write() {},
      end: () => reply.end(trailers),
      cancel() {},
      grant() {},
    }));
    const call = startCall(loads.watch(lease).service, createHead());
    call.body.end();
    await call.done;
    return call.trailers ?? [];
  }
  return { loads, clock, answer };
}

describeServiceContract('a call whose answer is looked at', (callee) => ({
  service: (head, reply) => runLeased(createLoads(createVirtualClock()).watch(leaseOf(callee).lease), head, reply),
}));

describe('what endpoints say of their load', () => {
  it('is read from the trailers, which go on as they are', async () => {
    const { loads, clock, answer } = rig();
    const trailers = ['grpc-status', '0', 'endpoint-load-metrics-bin', reportOf(0.75, 0.5)];
    expect(await answer(trailers)).toEqual(trailers);
    clock.advance(40);
    expect(lastOf(loads)).toEqual({ key: KEY, applicationUtilization: 0.75, cpuUtilization: 0.5, ageMs: 40 });
    expect(structuredClone(lastOf(loads))).toEqual(lastOf(loads));
    expect([loads.recent(40), loads.recent(39)]).toEqual([[lastOf(loads)], []]);
    loads.retire(KEY);
    expect(lastOf(loads)).toBeUndefined();
  });

  it('is read at most every 250 ms of an endpoint', async () => {
    const { loads, clock, answer } = rig();
    const say = (load: number) => answer(['grpc-status', '0', 'endpoint-load-metrics-bin', reportOf(load)]);
    await say(0.1);
    clock.advance(249);
    await say(0.2);
    expect(lastOf(loads)).toMatchObject({ applicationUtilization: 0.1, ageMs: 249 });
    clock.advance(1);
    await say(0.3);
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
  ])('is not known after %s', async (_name, trailers) => {
    const { loads, answer } = rig();
    await answer(trailers);
    expect(lastOf(loads)).toBeUndefined();
  });

  it('changes nothing of who gets the lease back', () => {
    const { lease, released } = leaseOf(() => ({ write() {}, end() {}, cancel() {}, grant() {} }));
    const watched = rig().loads.watch(lease);
    expect(watched.endpoint).toBe(lease.endpoint);
    watched.release(OK_OUTCOME);
    expect(released).toEqual([OK_OUTCOME]);
  });
});
