import { systemClock } from '@bascule/core';
import type {
  EndpointView,
  ListEndpointsResponse,
  RemovalView,
  SourceView,
} from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { printTable, type Column } from '../table.ts';
import { toPlain, type Paint, type Terminal } from '../terminal.ts';

const STATE_PAINT: Readonly<Record<string, Paint>> = {
  ready: 'green',
  connecting: 'yellow',
  absent: 'yellow',
  failing: 'red',
  ejected: 'red',
  probing: 'yellow',
  unused: 'dim',
  draining: 'dim',
};

const COLUMNS: readonly Column<EndpointView>[] = [
  { title: 'SERVICE', text: serviceOf },
  { title: 'INSTANCE', text: (e) => e.instanceId },
  { title: 'ADDRESS', text: (e) => e.address },
  { title: 'VERSION', text: (e) => e.moduleVersion },
  { title: 'STATE', text: (e) => e.state, paint: (e) => STATE_PAINT[e.state] },
  { title: 'SINCE', text: (e) => formatSince(e.sinceMs) },
  { title: 'SOURCE', text: (e) => e.source },
  { title: 'ZONE', text: (e) => e.zone },
  { title: 'WEIGHT', text: (e) => String(e.weight), align: 'right' },
  { title: 'OPEN', text: (e) => String(e.openCalls), align: 'right' },
  { title: 'CALLS', text: (e) => String(e.calls), align: 'right' },
  {
    title: 'FAILED',
    text: (e) => String(e.failures),
    align: 'right',
    paint: (e) => (e.failures > 0n ? 'red' : undefined),
  },
  { title: 'LATENCY', text: (e) => (e.latencyMs > 0 ? `${e.latencyMs.toFixed(1)} ms` : ''), align: 'right' },
  { title: 'CAUSE', text: (e) => e.cause },
];

const REMOVED: readonly Column<RemovalView>[] = [
  { title: 'LEFT', text: (r) => r.instanceId },
  { title: 'ADDRESS', text: (r) => r.address },
  { title: 'AGO', text: (r) => formatSince(r.atMs) },
  { title: 'SOURCE', text: (r) => r.source },
  { title: 'CAUSE', text: (r) => r.cause },
];
/** Of those that left: enough to see what happened last. */
const MAX_REMOVED = 10;

/** Everything at once: who answers, who left last, and sources that are not heard. */
export function printEndpoints(terminal: Terminal, answer: ListEndpointsResponse): void {
  for (const source of answer.sources) {
    if (source.state !== 'connected') terminal.remark(describeSource(source, terminal));
  }
  if (answer.endpoints.length === 0) {
    terminal.remark('No endpoint is known yet: start a backend, or deploy a module.');
  } else {
    printTable(terminal, COLUMNS, answer.endpoints);
  }
  if (answer.removals.length === 0) return;
  terminal.print('');
  printTable(terminal, REMOVED, answer.removals.slice(0, MAX_REMOVED));
}

/** One source that is not as it should be, in a line. */
export function describeSource({ name, state, sinceMs, error }: SourceView, terminal: Terminal): string {
  const why = error === '' ? '' : `: ${error}`;
  return `${terminal.paintRemark('yellow', state)} for ${formatSince(sinceMs)}: ${toPlain(name + why)}`;
}

/** Name of the service that an endpoint is listed for. */
export function serviceOf(endpoint: EndpointView): string {
  return endpoint.cluster === '' ? endpoint.services.join(',') : endpoint.cluster;
}

const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'm'],
] as const;

/** As in "42s" or "3h"; empty for a time that is not known. */
function formatSince(atMs: bigint): string {
  if (atMs === 0n) return '';
  const seconds = Math.max(0, Math.floor((systemClock.wallMs() - Number(atMs)) / 1000));
  const unit = UNITS.find(([size]) => seconds >= 2 * size);
  return unit === undefined ? `${seconds}s` : `${Math.floor(seconds / unit[0])}${unit[1]}`;
}
