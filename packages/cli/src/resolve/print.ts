import { endpointKey, formatAddress, type Endpoint } from '@bascule/core';
import type { SourceChange, SourceStatus } from '@bascule/discovery';
import type { GlobalOptions } from '../context.ts';
import { printTable, type Column } from '../table.ts';
import { toPlain, type Terminal } from '../terminal.ts';

const COLUMNS: readonly Column<Endpoint>[] = [
  { title: 'INSTANCE', text: (e) => e.instanceId },
  { title: 'ADDRESS', text: formatAddress },
  { title: 'PROTOCOL', text: (e) => (e.tls === true ? `${e.protocol} over TLS` : e.protocol) },
  { title: 'STATE', text: (e) => e.health ?? 'healthy', paint: (e) => (e.health === undefined ? 'green' : 'yellow') },
  { title: 'WEIGHT', text: (e) => String(e.weight), align: 'right' },
  { title: 'PRIORITY', text: (e) => (e.priority === 0 ? '' : String(e.priority)), align: 'right' },
  { title: 'ZONE', text: (e) => e.zone },
  { title: 'VERSION', text: (e) => e.moduleVersion },
  { title: 'SERVICES', text: (e) => e.services.join(',') },
  {
    title: 'LABELS',
    text: (e) =>
      Object.entries(e.labels)
        .map((pair) => pair.join('='))
        .join(','),
  },
];

/** All of them, once. */
export function printEndpoints(terminal: Terminal, options: GlobalOptions, endpoints: readonly Endpoint[]): void {
  if (options.json === true) return terminal.print(JSON.stringify({ endpoints }));
  if (endpoints.length === 0) return terminal.remark('It answers, and knows nobody.');
  printTable(terminal, COLUMNS, endpoints);
}

const SIGNS = { insert: '+', update: '~', remove: '-', doubt: '?' } as const;

/** One line for one change. */
export function printChange(terminal: Terminal, options: GlobalOptions, change: SourceChange): void {
  if (options.json === true) return terminal.print(JSON.stringify(change));
  const sign = SIGNS[change.type];
  if (change.type === 'remove') return terminal.print(toPlain(`${sign} ${change.key}  ${change.cause}`));
  if (change.type === 'doubt') return terminal.print(toPlain(`${sign} ${change.key}  ${change.why}`));
  const { endpoint } = change;
  const words = COLUMNS.slice(1)
    .map((column) => column.text(endpoint))
    .filter((text) => text !== '');
  terminal.print(toPlain(`${sign} ${endpointKey(endpoint)}  ${words.join('  ')}`));
}

/** How the source stands. */
export function printStatus(terminal: Terminal, options: GlobalOptions, status: SourceStatus): void {
  if (options.json === true) return terminal.print(JSON.stringify({ type: 'status', ...status }));
  terminal.remark(toPlain(status.error === undefined ? status.state : `${status.state}: ${status.error}`));
}
