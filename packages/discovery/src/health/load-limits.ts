import type { Clock, Timer } from '@bascule/core';
import type { Load, LoadLimitSettings } from './health-checks.ts';
import { toNextLoad, type LoadState } from './load-state.ts';

/** Who is overloaded by its own word, within what its services can spare. */
export interface LoadLimits {
  /** An endpoint is there. `isWell`: nothing but its load would take it out. */
  set(key: string, services: readonly string[], isWell: boolean): void;
  delete(key: string): void;
  report(key: string, load: Load): void;
  /** Why it is overloaded; undefined when it is not. */
  whyOver(key: string): string | undefined;
  close(): void;
}

export interface LoadLimitsOptions {
  readonly clock: Clock;
  limitOf(service: string): LoadLimitSettings | undefined;
  /** `whyOver` of a key has changed. */
  onChange(key: string): void;
}

/** A report older than this says nothing. Source: gRFC A58, weight_expiration_period. */
const EXPIRY_MS = 180_000;

interface Reporter {
  readonly key: string;
  services: readonly string[];
  isWell: boolean;
  state: LoadState;
  reportedMs: number;
  expiry: Timer | undefined;
}

/** The endpoints of one service. */
interface Crew {
  size: number;
  well: number;
  /** The one taken out last is last. */
  readonly over: Set<Reporter>;
}

const FINE: LoadState = { kind: 'fine' };

/** Nobody is there. */
export function createLoadLimits(options: LoadLimitsOptions): LoadLimits {
  const { clock } = options;
  const reporters = new Map<string, Reporter>();
  const crews = new Map<string, Crew>();

  function crewOf(service: string): Crew {
    const crew = crews.get(service) ?? { size: 0, well: 0, over: new Set() };
    crews.set(service, crew);
    return crew;
  }

  function count(service: string, size: number, well: number): Crew {
    const crew = crewOf(service);
    crew.size += size;
    crew.well += well;
    return crew;
  }

  function move(reporter: Reporter, services: readonly string[], isWell: boolean): void {
    const before = reporter.services;
    for (const service of before) count(service, -1, reporter.isWell ? -1 : 0).over.delete(reporter);
    Object.assign(reporter, { services, isWell });
    for (const service of services) {
      const crew = count(service, 1, isWell ? 1 : 0);
      if (reporter.state.kind === 'over' && isWell) crew.over.add(reporter);
    }
    for (const service of new Set([...before, ...services])) recall(service);
  }

  /** When others have left since, those who were taken out last must come back. */
  function recall(service: string): void {
    const crew = crewOf(service);
    while (crew.over.size > half(crew)) {
      const last = [...crew.over].at(-1) as Reporter;
      become(last, { kind: 'high', sinceMs: clock.nowMs() });
    }
    if (crew.size === 0) crews.delete(service);
  }

  /** Half of those that are well, of each of its services. */
  function mayLeave({ services, isWell }: Reporter): boolean {
    return isWell && services.every((service) => crewOf(service).over.size < half(crewOf(service)));
  }

  function become(reporter: Reporter, state: LoadState): void {
    const wasOver = reporter.state.kind === 'over';
    const isOver = state.kind === 'over';
    reporter.state = state;
    if (wasOver === isOver) return;
    for (const service of reporter.services) {
      const over = crews.get(service)?.over;
      if (isOver) over?.add(reporter);
      else over?.delete(reporter);
    }
    reporter.expiry?.cancel();
    reporter.expiry = isOver ? clock.after(EXPIRY_MS, () => expire(reporter)) : undefined;
    options.onChange(reporter.key);
  }

  function expire(reporter: Reporter): void {
    const leftMs = reporter.reportedMs + EXPIRY_MS - clock.nowMs();
    if (leftMs <= 0) become(reporter, FINE);
    else reporter.expiry = clock.after(leftMs, () => expire(reporter));
  }

  /** The strictest of its services. */
  function limitOf(services: readonly string[]): LoadLimitSettings | undefined {
    let strictest: LoadLimitSettings | undefined;
    for (const service of services) {
      const limit = options.limitOf(service);
      if (limit === undefined) continue;
      if (strictest === undefined || limit.maxUtilization < strictest.maxUtilization) strictest = limit;
    }
    return strictest;
  }

  return {
    set(key, services, isWell) {
      let reporter = reporters.get(key);
      if (reporter === undefined) {
        reporter = { key, services: [], isWell: false, state: FINE, reportedMs: -Infinity, expiry: undefined };
        reporters.set(key, reporter);
      }
      if (reporter.services !== services || reporter.isWell !== isWell) move(reporter, services, isWell);
      if (reporter.state.kind !== 'fine' && limitOf(services) === undefined) become(reporter, FINE);
    },
    delete(key) {
      const reporter = reporters.get(key);
      if (reporter === undefined) return;
      reporter.expiry?.cancel();
      reporter.state = FINE;
      move(reporter, [], false);
      reporters.delete(key);
    },
    report(key, load) {
      const reporter = reporters.get(key);
      const limit = reporter === undefined ? undefined : limitOf(reporter.services);
      if (reporter === undefined || limit === undefined) return;
      const nowMs = clock.nowMs();
      const isFresh = nowMs - reporter.reportedMs <= EXPIRY_MS;
      reporter.reportedMs = nowMs;
      const before = isFresh ? reporter.state : FINE;
      become(
        reporter,
        toNextLoad(before, { load, limit, nowMs }, () => mayLeave(reporter)),
      );
    },
    whyOver(key) {
      const state = reporters.get(key)?.state;
      return state?.kind === 'over' ? state.why : undefined;
    },
    close() {
      for (const { expiry } of reporters.values()) expiry?.cancel();
    },
  };
}

function half({ well }: Crew): number {
  return Math.floor(well / 2);
}
