import type { FamilySnapshot } from './metrics-snapshot.ts';

/** Label names with their values. The same names with each use of a metric. */
export type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly labelNames: readonly string[];
  readonly series: Map<string, { readonly labels: readonly string[]; value: number }>;
}

/** Counters and gauges that other rooms name. Not for the way of a call: each use looks its labels up as text. */
export class NamedMetrics {
  readonly #families = new Map<string, Family>();
  readonly #help = new Map<string, string>();

  describe(name: string, help: string): void {
    this.#help.set(name, help);
  }

  set(name: string, labels: Labels, value: number): void {
    this.#series('gauge', name, labels).value = value;
  }

  add(name: string, labels: Labels, by: number): void {
    this.#series('counter', name, labels).value += by;
  }

  /** Takes out all series in which `labelName` stands with `value`. */
  retire(labelName: string, value: string): void {
    for (const family of this.#families.values()) {
      const at = family.labelNames.indexOf(labelName);
      if (at < 0) continue;
      for (const [key, series] of family.series) if (series.labels[at] === value) family.series.delete(key);
    }
  }

  snapshot(): FamilySnapshot[] {
    return [...this.#families.values()].map(({ name, type, labelNames, series }) => ({
      name,
      help: this.#help.get(name) ?? name.replaceAll('_', ' '),
      type,
      labelNames,
      series: [...series.values()].map(({ labels, value }) => ({ labels, value })),
    }));
  }

  #series(type: Family['type'], name: string, labels: Labels): { value: number } {
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { name, type, labelNames: Object.keys(labels).toSorted(), series: new Map() };
      this.#families.set(name, family);
    }
    const values = family.labelNames.map((label) => labels[label] ?? '');
    const key = JSON.stringify(values);
    let series = family.series.get(key);
    if (series === undefined) {
      series = { labels: values, value: 0 };
      family.series.set(key, series);
    }
    return series;
  }
}
