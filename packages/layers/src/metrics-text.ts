import type { FamilySnapshot, MetricsSnapshot, SeriesSnapshot } from './metrics-snapshot.ts';

/**
 * Prometheus text format 0.0.4; serve it as `text/plain; version=0.0.4; charset=utf-8`.
 * Source: prometheus/docs, instrumenting/exposition_formats.md.
 */
export function renderMetrics(snapshot: MetricsSnapshot): string {
  const lines: string[] = [];
  for (const family of snapshot.families) {
    lines.push(`# HELP ${family.name} ${escapeHelp(family.help)}`, `# TYPE ${family.name} ${family.type}`);
    for (const series of family.series) {
      if (family.type === 'histogram') renderHistogram(family, series, lines);
      else lines.push(`${family.name}${renderLabels(family, series)} ${formatNumber(series.value)}`);
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function renderHistogram(family: FamilySnapshot, series: SeriesSnapshot, lines: string[]): void {
  const bounds = family.bounds ?? [];
  let total = 0;
  for (const [i, count] of (series.counts ?? []).entries()) {
    total += count;
    const bound = bounds[i] ?? Infinity;
    lines.push(`${family.name}_bucket${renderLabels(family, series, formatNumber(bound))} ${total}`);
  }
  lines.push(`${family.name}_sum${renderLabels(family, series)} ${formatNumber(series.value)}`);
  lines.push(`${family.name}_count${renderLabels(family, series)} ${total}`);
}

function renderLabels(family: FamilySnapshot, series: SeriesSnapshot, le?: string): string {
  const pairs = family.labelNames.map((name, i) => `${name}="${escapeLabel(series.labels[i] ?? '')}"`);
  if (le !== undefined) pairs.push(`le="${le}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function formatNumber(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
