import { describe, expect, it } from 'vitest';
import { createHead } from '@bascule/testing';
import { DURATION_BOUNDS } from '../src/call-metrics.ts';
import { createMetrics, mergeMetrics, renderMetrics, type CallRecord, type Metrics } from '../src/index.ts';
import { knownHead } from './rig.ts';

const RECORD: CallRecord = {
  id: '1',
  wallMs: 0,
  durationMs: 3,
  dialect: 'grpc-web',
  method: 'POST',
  path: '/a.B/C',
  service: 'a.B',
  rpcMethod: 'C',
  code: 'ok',
  by: 'callee',
  message: '',
  httpStatus: 200,
  peer: '',
  userAgent: '',
  endpointKey: 'x#1',
  instanceId: 'x',
  endpointAddress: '',
  moduleVersion: '',
  cluster: '',
  attempts: 1,
  requestBytes: 0,
  responseBytes: 0,
  timeoutMs: undefined,
};

/** Starts calls that end later. */
function begin(metrics: Metrics, times: number): (record?: Partial<CallRecord>) => void {
  const heads = Array.from({ length: times }, () => createHead());
  const open = heads.map((head) => ({ head, ticket: metrics.started(head) }));
  return (record) => {
    for (const { head, ticket } of open) metrics.ended({ ...RECORD, ...record }, head, ticket);
  };
}

function count(metrics: Metrics, record: Partial<CallRecord> = {}, times = 1): void {
  for (let i = 0; i < times; i++) {
    const head = createHead();
    metrics.ended({ ...RECORD, ...record }, head, metrics.started(head));
  }
}

const linesOf = (metrics: Metrics, start: string): string[] =>
  renderMetrics(metrics.snapshot())
    .split('\n')
    .filter((line) => line.startsWith(start));

const calls = (metrics: Metrics): string[] => linesOf(metrics, 'bascule_calls_total');

describe('createMetrics', () => {
  it('counts calls by all labels', () => {
    const metrics = createMetrics();
    count(metrics, {}, 3);
    count(metrics, { code: 'unavailable', instanceId: '', endpointKey: '' });
    count(metrics, { endpointKey: 'rank#4', instanceId: 'rank', moduleVersion: '2.0.0', dialect: 'connect' });
    expect(calls(metrics)).toEqual([
      'bascule_calls_total{service="a.B",method="C",code="ok",dialect="grpc-web",endpoint="x",module_version=""} 3',
      'bascule_calls_total{service="a.B",method="C",code="unavailable",dialect="grpc-web",endpoint="",module_version=""} 1',
      'bascule_calls_total{service="a.B",method="C",code="ok",dialect="connect",endpoint="rank",module_version="2.0.0"} 1',
    ]);
  });

  it('puts durations in buckets that add up', () => {
    const metrics = createMetrics();
    count(metrics, { durationMs: 0.5 });
    count(metrics, { durationMs: 0.6 });
    count(metrics, { durationMs: 1e9 });
    const lines = linesOf(metrics, 'bascule_call_duration_seconds');
    const labels = 'service="a.B",method="C",dialect="grpc-web"';
    expect(lines).toContain(`bascule_call_duration_seconds_bucket{${labels},le="0.0005"} 1`);
    expect(lines).toContain(`bascule_call_duration_seconds_bucket{${labels},le="0.001"} 2`);
    expect(lines).toContain(`bascule_call_duration_seconds_bucket{${labels},le="300"} 2`);
    expect(lines).toContain(`bascule_call_duration_seconds_bucket{${labels},le="+Inf"} 3`);
    expect(lines.at(-1)).toBe(`bascule_call_duration_seconds_count{${labels}} 3`);
    expect(lines).toHaveLength(DURATION_BOUNDS.length + 3);
  });

  it('lets all unknown methods share one series', () => {
    const metrics = createMetrics();
    for (let i = 0; i < 50; i++) {
      count(metrics, { service: '', rpcMethod: '', path: `/random-${i}`, endpointKey: '', instanceId: '' });
    }
    expect(calls(metrics)).toEqual([
      'bascule_calls_total{service="unknown",method="unknown",code="ok",dialect="grpc-web",endpoint="",module_version=""} 50',
    ]);
  });

  it('counts what is open by what it has turned out to be', () => {
    const metrics = createMetrics();
    const heads = [knownHead('unknown', 'server_stream'), knownHead('unknown', 'server_stream'), createHead()];
    const tickets = heads.map((head) => metrics.started(head));
    metrics.ended(RECORD, heads[0] as (typeof heads)[0], tickets[0] as number);
    expect(linesOf(metrics, 'bascule_open_calls')).toEqual([
      'bascule_open_calls{service="test.v1.TestService",method="Call",kind="server_stream",dialect="grpc-web"} 1',
      'bascule_open_calls{service="unknown",method="unknown",kind="unknown",dialect="http"} 1',
    ]);
  });

  it('counts retries', () => {
    const metrics = createMetrics();
    count(metrics, { attempts: 3 });
    count(metrics, { attempts: 0 });
    expect(linesOf(metrics, 'bascule_retries_total')).toEqual(['bascule_retries_total{service="a.B",method="C"} 2']);
  });

  it('takes out the series of an endpoint that retires, and what nobody serves any more', () => {
    const metrics = createMetrics();
    count(metrics);
    count(metrics, { endpointKey: 'y#1', instanceId: 'y' });
    metrics.setGauge('bascule_endpoint_open', { endpoint: 'x' }, 4);
    metrics.retireEndpoint('x#1');
    expect(calls(metrics)).toHaveLength(1);
    expect(calls(metrics)[0]).toContain('endpoint="y"');
    expect(linesOf(metrics, 'bascule_endpoint_open')).toEqual([]);
    metrics.retireEndpoint('y#1');
    expect(metrics.snapshot().families.flatMap((family) => family.series)).toEqual([]);
  });

  it('keeps the series of an instance that has started anew', () => {
    const metrics = createMetrics();
    count(metrics, {}, 2);
    count(metrics, { endpointKey: 'x#2' });
    metrics.retireEndpoint('x#1');
    count(metrics, { endpointKey: 'x#2' });
    expect(calls(metrics)).toEqual([expect.stringMatching(/endpoint="x".* 4$/)]);
    metrics.retireEndpoint('x#2');
    expect(calls(metrics)).toEqual([]);
  });

  it('does not bring a retired endpoint back for a call that ends late', () => {
    const metrics = createMetrics();
    count(metrics, { moduleVersion: '1' });
    const endLate = begin(metrics, 2);
    metrics.retireEndpoint('x#1');
    endLate({ moduleVersion: '1' });
    expect(calls(metrics)).toEqual([expect.stringMatching(/endpoint="",module_version=""} 2$/)]);
  });

  it('still counts a call that ends late, while others serve its method', () => {
    const metrics = createMetrics();
    count(metrics);
    count(metrics, { endpointKey: 'y#1', instanceId: 'y' });
    const endLate = begin(metrics, 1);
    metrics.retireEndpoint('x#1');
    endLate();
    expect(calls(metrics)).toEqual([
      expect.stringMatching(/endpoint="y".* 1$/),
      expect.stringMatching(/endpoint="".* 1$/),
    ]);
  });

  it('counts for an endpoint again that has come back under the same key', () => {
    const metrics = createMetrics();
    const endLate = begin(metrics, 1);
    metrics.retireEndpoint('x#1');
    count(metrics, {}, 2);
    endLate();
    expect(calls(metrics)).toEqual([expect.stringMatching(/endpoint="x".* 3$/)]);
  });

  it('takes out the series of a version', () => {
    const metrics = createMetrics();
    count(metrics, { moduleVersion: '1' });
    count(metrics, { moduleVersion: '2' });
    metrics.incCounter('bascule_module_restarts_total', { module_version: '1' });
    metrics.retireVersion('1');
    metrics.retireVersion('');
    expect(calls(metrics)).toEqual([expect.stringContaining('module_version="2"')]);
    expect(linesOf(metrics, 'bascule_module_restarts_total')).toEqual([]);
  });

  it('does not grow over many deployments', () => {
    const metrics = createMetrics();
    for (let i = 0; i < 3000; i++) {
      count(metrics, { endpointKey: `rank@${i}#1`, instanceId: `rank@${i}`, moduleVersion: `${i}` });
      metrics.retireEndpoint(`rank@${i}#1`);
    }
    expect(metrics.snapshot().families.flatMap((family) => family.series)).toEqual([]);
  });

  it('sets gauges and adds to counters of any name', () => {
    const metrics = createMetrics();
    metrics.describe('bascule_swaps_total', 'Versions made current.\nPer module.');
    metrics.incCounter('bascule_swaps_total', { module: 'a', result: 'ok' });
    metrics.incCounter('bascule_swaps_total', { result: 'ok', module: 'a' }, 2);
    metrics.setGauge('bascule_stale_seconds', {}, 5);
    metrics.setGauge('bascule_stale_seconds', {}, 0.5);
    expect(renderMetrics({ families: metrics.snapshot().families.slice(-2) })).toBe(
      [
        '# HELP bascule_swaps_total Versions made current.\\nPer module.',
        '# TYPE bascule_swaps_total counter',
        'bascule_swaps_total{module="a",result="ok"} 3',
        '# HELP bascule_stale_seconds bascule stale seconds',
        '# TYPE bascule_stale_seconds gauge',
        'bascule_stale_seconds 0.5',
        '',
      ].join('\n'),
    );
  });
});

describe('mergeMetrics', () => {
  it('adds up what threads counted, after crossing as plain data', () => {
    const [a, b] = [createMetrics(), createMetrics()];
    count(a, { durationMs: 1 }, 2);
    count(b, { durationMs: 1 });
    count(b, { code: 'internal', durationMs: 70_000 });
    a.setGauge('bascule_only_here', {}, 7);
    const merged = mergeMetrics([structuredClone(a.snapshot()), structuredClone(b.snapshot())]);
    const text = renderMetrics(merged);
    expect(text).toMatch(/code="ok".* 3\n/);
    expect(text).toMatch(/code="internal".* 1\n/);
    expect(text).toMatch(/le="0.001"} 3\n/);
    expect(text).toMatch(/_count{.*} 4\n/);
    expect(text).toMatch(/_sum{.*} 70.003\n/);
    expect(text).toMatch(/bascule_only_here 7\n/);
    expect(text.match(/# TYPE bascule_calls_total/g)).toHaveLength(1);
    expect(mergeMetrics([])).toEqual({ families: [] });
  });
});

describe('renderMetrics', () => {
  it('escapes label values and names what is not finite', () => {
    const family = { name: 'm', help: 'a\\b', type: 'gauge' as const, labelNames: ['l'] };
    const series = [Infinity, -Infinity, Number.NaN].map((value) => ({ labels: ['"\\\n'], value }));
    expect(renderMetrics({ families: [{ ...family, series }] })).toBe(
      '# HELP m a\\\\b\n# TYPE m gauge\n' +
        ['+Inf', '-Inf', 'NaN'].map((value) => `m{l="\\"\\\\\\n"} ${value}\n`).join(''),
    );
    expect(renderMetrics({ families: [] })).toBe('');
  });
});
