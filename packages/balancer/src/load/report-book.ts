import type { LoadReport } from '../policy.ts';

/** What an endpoint says of its load. */
export type ReportedLoad = Pick<LoadReport, 'utilization' | 'qps' | 'eps'>;

/** The last word of an endpoint on its load, and since when there is one. */
export interface ReportBook {
  /** Undefined without a word. One object for good, filled anew: read it at once. */
  readonly report: LoadReport | undefined;
  /**
   * Books a report that came at monotonic `nowMs`. After silence of `gapMs` or longer its endpoint counts as new
   * (`firstMs`). A report without utilization says nothing and is left out, as is one without calls per second after one
   * that had them (gRFC A58).
   */
  book(load: ReportedLoad, nowMs: number, gapMs?: number): void;
  /** Forgets all, as when the endpoint's connection is a new one: what answers may be another process. */
  forget(): void;
}

/** As long as a report counts by default. Source: `weight_expiration_period` of gRFC A58. */
const DEFAULT_GAP_MS = 180_000;

/** Makes an empty book. */
export function createReportBook(): ReportBook {
  const last = { utilization: 0, qps: 0, eps: 0, atMs: 0, firstMs: 0 };
  let isEmpty = true;
  return {
    get report() {
      return isEmpty ? undefined : last;
    },
    book({ utilization, qps, eps }, nowMs, gapMs = DEFAULT_GAP_MS) {
      if (!isSaid(utilization)) return;
      const isOld = isEmpty || nowMs - last.atMs >= gapMs;
      if (!isOld && last.qps > 0 && !isSaid(qps)) return;
      // Of who never said its calls per second, nothing was known that a weight could be made of.
      if (isOld || last.qps === 0) last.firstMs = nowMs;
      last.utilization = utilization;
      last.qps = isSaid(qps) ? qps : 0;
      last.eps = isSaid(eps) ? eps : 0;
      last.atMs = nowMs;
      isEmpty = false;
    },
    forget() {
      isEmpty = true;
    },
  };
}

/** Numbers of others: 0 is proto's word for nothing, and what is not finite would spoil every weight. */
function isSaid(value: number): boolean {
  return value > 0 && Number.isFinite(value);
}
