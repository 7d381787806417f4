import type { Clock, Timer } from '@bascule/core';
import type { OutlierPolicy } from '../balancing-policy.ts';
import { failsMoreThanOthers, failsTooOften, isSlowerThanOthers, type Judged, type Verdict } from './rules.ts';
import { GOOD_STANDING, transition, type Standing, type StandingEvent } from './standing.ts';

/** Somebody who can be ejected. */
export interface Suspect extends Judged {
  standing: Standing;
  failuresInARow: number;
  /** Takes calls now. */
  readonly usable: boolean;
  /** It gets no calls any more, and those that are open end. */
  readonly isLeaving: boolean;
}

export interface DetectorOptions<T extends Suspect> {
  readonly clock: Clock;
  /** All that could take calls if nothing spoke against them. */
  members(): Iterable<T>;
  count(): number;
  /** How many are `usable`. */
  usable(): number;
  /** The standing of a member has become another. */
  onChange(member: T): void;
}

/**
 * Takes endpoints out that fail while others do not. Failures in a row eject at once; what needs a look at all of them
 * runs in sweeps, in the order of gRFC A50: success rate, failure percentage, latency, then multipliers sink and those
 * whose time is over come back. Sources: gRFC A50, Envoy's outlier.rst; probation as in Linkerd. No jitter.
 *
 * Nobody is ejected beyond `maxEjectionPercent` of all, but for the first one, and never the last one that is usable:
 * of two one can go, of one none. So whoever is wrong is wrong for everybody, and calls go on as before.
 *
 * There is a timer only while there are calls and rules that need a sweep, or somebody is ejected or has a multiplier
 * that must sink.
 */
export class Detector<T extends Suspect> {
  readonly #options: DetectorOptions<T>;
  #policy: OutlierPolicy | undefined = undefined;
  #hasSweptRules = false;
  #timer: Timer | undefined = undefined;
  #ejected = 0;
  /** How many are probing: their calls are counted one by one. */
  probing = 0;

  constructor(options: DetectorOptions<T>) {
    this.#options = options;
  }

  /** Whether answers must be timed. */
  get needsLatency(): boolean {
    return this.#policy?.latency !== undefined;
  }

  get isOn(): boolean {
    return this.#policy !== undefined;
  }

  configure(policy: OutlierPolicy | undefined): void {
    this.#policy = policy;
    this.#hasSweptRules = policy !== undefined && hasSweptRules(policy);
    if (policy !== undefined) return;
    this.close();
    for (const member of this.#options.members()) this.#move(member, GOOD_STANDING);
  }

  /** A call has ended, and not by its caller's will. */
  record(member: T, isFailure: boolean): void {
    const policy = this.#policy;
    if (policy === undefined) return;
    if (this.#hasSweptRules) {
      member.tally.book(isFailure);
      if (this.#timer === undefined) this.#wait(policy);
    }
    if (!isFailure) {
      member.failuresInARow = 0;
      return;
    }
    member.failuresInARow++;
    const { consecutiveFailures } = policy;
    if (consecutiveFailures === 0 || member.failuresInARow < consecutiveFailures) return;
    if (member.standing.name === 'in') this.#eject(member, `${member.failuresInARow} failures in a row`);
  }

  /** A call has been lent to somebody who is probing; what comes back is given to {@link endProbe}. */
  startProbe(member: T): Standing {
    this.#apply(member, { type: 'probe' });
    return member.standing;
  }

  /** How the probe of `startProbe` ended; undefined is a caller that left. Late words of an older probe count nothing. */
  endProbe(member: T, probe: Standing, isFailure: boolean | undefined): void {
    if (member.standing !== probe || probe.name !== 'probing') return;
    member.failuresInARow = 0;
    if (isFailure === false) this.#apply(member, { type: 'probe-succeeded' });
    else if (isFailure === undefined || !this.#eject(member, 'its probe failed'))
      this.#apply(member, { type: 'probe-dropped' });
  }

  /** An active check passes that failed before. */
  checkPassed(member: T): void {
    member.failuresInARow = 0;
    this.#apply(member, { type: 'check-passed' });
  }

  /** Its connection is a new one. A restart fails what was open, and must not cost the new process its calls. */
  reconnected(member: T): void {
    member.failuresInARow = 0;
    this.#apply(member, { type: 'reconnected' });
  }

  /** A member has left. */
  forget(member: T): void {
    this.#count(member.standing, GOOD_STANDING);
    member.standing = GOOD_STANDING;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(policy: OutlierPolicy): void {
    this.#timer = this.#options.clock.after(policy.intervalMs, () => {
      this.#timer = undefined;
      if (this.#policy === undefined) return;
      if (this.#sweep(this.#policy)) this.#wait(this.#policy);
    });
  }

  /** True while another sweep is needed. */
  #sweep(policy: OutlierPolicy): boolean {
    const { successRate, failurePercentage, latency } = policy;
    const members = [...this.#options.members()];
    for (const { tally } of members) tally.swap();
    if (successRate !== undefined) this.#obey(failsMoreThanOthers(members, successRate));
    if (failurePercentage !== undefined) this.#obey(failsTooOften(members, failurePercentage));
    if (latency !== undefined) this.#obey(isSlowerThanOthers(members, latency));
    const nowMs = this.#options.clock.nowMs();
    for (const member of members) this.#apply(member, { type: 'interval', nowMs });
    return members.some(
      ({ tally, standing }) => tally.calls > 0 || (standing.name !== 'probing' && standing.times > 0),
    );
  }

  #obey(verdicts: readonly Verdict<T>[]): void {
    for (const { member, cause } of verdicts) if (member.standing.name === 'in') this.#eject(member, cause);
  }

  #eject(member: T, cause: string): boolean {
    const policy = this.#policy;
    const options = this.#options;
    // Nobody would count it back in: each that left with failures would leave the others with less ejection.
    if (policy === undefined || member.isLeaving) return false;
    const others = options.usable() - (member.usable ? 1 : 0);
    const isWithin = this.#ejected === 0 || (this.#ejected + 1) * 100 <= policy.maxEjectionPercent * options.count();
    if (!isWithin || others < 1) return false;
    this.#apply(member, { type: 'eject', cause, nowMs: options.clock.nowMs() });
    if (this.#timer === undefined) this.#wait(policy);
    return true;
  }

  #apply(member: T, event: StandingEvent): void {
    if (this.#policy !== undefined) this.#move(member, transition(member.standing, event, this.#policy));
  }

  #move(member: T, standing: Standing): void {
    const before = member.standing;
    if (before === standing) return;
    member.standing = standing;
    // What ended while it was out says nothing of how it is when it comes back.
    if (before.name === 'ejected') member.failuresInARow = 0;
    this.#count(before, standing);
    if (before.name !== standing.name) this.#options.onChange(member);
  }

  #count(before: Standing, after: Standing): void {
    this.#ejected += (after.name === 'ejected' ? 1 : 0) - (before.name === 'ejected' ? 1 : 0);
    this.probing += (after.name === 'probing' ? 1 : 0) - (before.name === 'probing' ? 1 : 0);
  }
}

function hasSweptRules({ successRate, failurePercentage, latency }: OutlierPolicy): boolean {
  return successRate !== undefined || failurePercentage !== undefined || latency !== undefined;
}
