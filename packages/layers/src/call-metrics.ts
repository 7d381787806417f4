import type { CallRecord } from './call-record.ts';
import type { FamilySnapshot, SeriesSnapshot } from './metrics-snapshot.ts';

/** Upper bounds in seconds: from a local unary call to a long stream. */
export const DURATION_BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
] as const;

const UNKNOWN = 'unknown';
/** Retired endpoints remembered, so that a record that comes late does not bring their series back for ever. */
const MAX_RETIRED = 1024;

interface CountSeries {
  readonly labels: readonly string[];
  readonly method: MethodSeries;
  readonly moduleVersion: string;
  /** Endpoint keys that count here: incarnations of one instance share a series. */
  readonly keys: Set<string>;
  value: number;
}

interface DialectSeries {
  readonly dialect: string;
  readonly durations: number[];
  durationSeconds: number;
  /** By code, then by endpoint key: two look-ups of strings whose hashes are known. */
  readonly codes: Map<string, Map<string, CountSeries>>;
}

interface MethodSeries {
  readonly service: string;
  readonly method: string;
  readonly dialects: Map<string, DialectSeries>;
  retries: number;
  /** Count series of this method; without any, nobody serves it and its histograms go as well. */
  counted: number;
}

/** Counts of calls that are over. The way of a known series is four map look-ups and no allocation. */
export class CallMetrics {
  readonly #services = new Map<string, Map<string, MethodSeries>>();
  readonly #counts = new Map<string, CountSeries>();
  readonly #retired = new Set<string>();

  /** `isOld` says that the call began before an endpoint retired, perhaps its own. */
  count(record: CallRecord, isOld: boolean): void {
    const method = this.#method(record);
    const dialect = getOrAdd(method.dialects, record.dialect, createDialect);
    const seconds = record.durationMs / 1000;
    const bucket = bucketOf(seconds);
    dialect.durations[bucket] = (dialect.durations[bucket] as number) + 1;
    dialect.durationSeconds += seconds;
    if (record.attempts > 1) method.retries += record.attempts - 1;
    const series = dialect.codes.get(record.code)?.get(record.endpointKey);
    if (series !== undefined && series.moduleVersion === record.moduleVersion) series.value++;
    else this.#addCount(record, this.#isLate(record, isOld), method, dialect).value++;
  }

  retireEndpoint(key: string): void {
    this.#retired.add(key);
    for (const oldest of this.#retired) {
      if (this.#retired.size <= MAX_RETIRED) break;
      this.#retired.delete(oldest);
    }
    for (const [id, series] of this.#counts) {
      if (series.keys.delete(key) && series.keys.size === 0) this.#drop(id, series);
    }
    this.#forget((_, endpointKey) => endpointKey === key);
  }

  retireVersion(moduleVersion: string): void {
    if (moduleVersion === '') return;
    for (const [id, series] of this.#counts) {
      if (series.moduleVersion === moduleVersion) this.#drop(id, series);
    }
    this.#forget((series) => series.moduleVersion === moduleVersion);
  }

  snapshot(): FamilySnapshot[] {
    const methods = [...this.#services.values()].flatMap((byName) => [...byName.values()]);
    return [
      {
        name: 'bascule_calls_total',
        help: 'Calls that are over, by how they ended.',
        type: 'counter',
        labelNames: ['service', 'method', 'code', 'dialect', 'endpoint', 'module_version'],
        series: [...this.#counts.values()].map(({ labels, value }) => ({ labels, value })),
      },
      {
        name: 'bascule_call_duration_seconds',
        help: 'Time from the head of a call to its end.',
        type: 'histogram',
        labelNames: ['service', 'method', 'dialect'],
        bounds: DURATION_BOUNDS,
        series: methods.flatMap(durationsOf),
      },
      {
        name: 'bascule_retries_total',
        help: 'Attempts after the first.',
        type: 'counter',
        labelNames: ['service', 'method'],
        series: methods.map((m) => ({ labels: [m.service, m.method], value: m.retries })),
      },
    ];
  }

  /** Methods that no descriptor knows share one series, or a stranger could fill the memory with names. */
  #method(record: CallRecord): MethodSeries {
    const known = record.service !== '' && record.rpcMethod !== '';
    const service = known ? record.service : UNKNOWN;
    const name = known ? record.rpcMethod : UNKNOWN;
    const byName = getOrAdd(this.#services, service, () => new Map<string, MethodSeries>());
    return getOrAdd(byName, name, () => ({ service, method: name, dialects: new Map(), retries: 0, counted: 0 }));
  }

  /** A late record must not bring a retired endpoint's series back. A new call means that the endpoint is back itself. */
  #isLate(record: CallRecord, isOld: boolean): boolean {
    if (!this.#retired.has(record.endpointKey)) return false;
    if (!isOld) this.#retired.delete(record.endpointKey);
    return isOld;
  }

  #addCount(record: CallRecord, late: boolean, method: MethodSeries, dialect: DialectSeries): CountSeries {
    const endpoint = late ? '' : record.instanceId;
    const moduleVersion = late ? '' : record.moduleVersion;
    const labels = [method.service, method.method, record.code, record.dialect, endpoint, moduleVersion];
    const series = getOrAdd(this.#counts, JSON.stringify(labels), () => {
      method.counted++;
      return { labels, method, moduleVersion, keys: new Set<string>(), value: 0 };
    });
    if (late) return series;
    series.keys.add(record.endpointKey);
    getOrAdd(dialect.codes, record.code, () => new Map<string, CountSeries>()).set(record.endpointKey, series);
    return series;
  }

  #drop(id: string, series: CountSeries): void {
    this.#counts.delete(id);
    const { method } = series;
    if (--method.counted > 0) return;
    const byName = this.#services.get(method.service);
    byName?.delete(method.method);
    if (byName?.size === 0) this.#services.delete(method.service);
  }

  /** Takes the ways to dropped series out. */
  #forget(isDropped: (series: CountSeries, endpointKey: string) => boolean): void {
    for (const byName of this.#services.values()) {
      for (const method of byName.values()) {
        for (const dialect of method.dialects.values()) {
          for (const byKey of dialect.codes.values()) {
            for (const [key, series] of byKey) if (isDropped(series, key)) byKey.delete(key);
          }
        }
      }
    }
  }
}

function createDialect(dialect: string): DialectSeries {
  const durations = Array.from({ length: DURATION_BOUNDS.length + 1 }, () => 0);
  return { dialect, durations, durationSeconds: 0, codes: new Map() };
}

function durationsOf(method: MethodSeries): SeriesSnapshot[] {
  return [...method.dialects.values()].map((d) => ({
    labels: [method.service, method.method, d.dialect],
    value: d.durationSeconds,
    counts: [...d.durations],
  }));
}

function bucketOf(seconds: number): number {
  let i = 0;
  while (i < DURATION_BOUNDS.length && seconds > (DURATION_BOUNDS[i] as number)) i++;
  return i;
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, create: (key: K) => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create(key);
    map.set(key, value);
  }
  return value;
}
