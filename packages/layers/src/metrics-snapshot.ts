/** One set of label values with its numbers. */
export interface SeriesSnapshot {
  /** In the order of the family's `labelNames`. */
  readonly labels: readonly string[];
  /** The count or level; of a histogram, the sum of what was observed. */
  readonly value: number;
  /** Of a histogram: observations per bucket, not cumulative, with one more at the end for what is above all bounds. */
  readonly counts?: readonly number[];
}

/** All series of one name. */
export interface FamilySnapshot {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labelNames: readonly string[];
  /** Of a histogram: upper bounds, growing. */
  readonly bounds?: readonly number[];
  readonly series: readonly SeriesSnapshot[];
}

/** Metrics at one moment. Plain data: crosses threads. */
export interface MetricsSnapshot {
  readonly families: readonly FamilySnapshot[];
}

/** Adds up the snapshots of several threads. Gauges are added as well: each thread counts its own open calls. */
export function mergeMetrics(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const families = new Map<string, FamilySnapshot[]>();
  for (const snapshot of snapshots) {
    for (const family of snapshot.families) {
      const same = families.get(family.name);
      if (same === undefined) families.set(family.name, [family]);
      else same.push(family);
    }
  }
  return { families: [...families.values()].map(mergeFamily) };
}

function mergeFamily(families: readonly FamilySnapshot[]): FamilySnapshot {
  const first = families[0] as FamilySnapshot;
  if (families.length === 1) return first;
  const series = new Map<string, SeriesSnapshot>();
  for (const one of families.flatMap((family) => family.series)) {
    const key = JSON.stringify(one.labels);
    const sum = series.get(key);
    series.set(key, sum === undefined ? one : addSeries(sum, one));
  }
  return { ...first, series: [...series.values()] };
}

function addSeries(a: SeriesSnapshot, b: SeriesSnapshot): SeriesSnapshot {
  const sum = { labels: a.labels, value: a.value + b.value };
  return a.counts === undefined ? sum : { ...sum, counts: a.counts.map((n, i) => n + (b.counts?.[i] ?? 0)) };
}
