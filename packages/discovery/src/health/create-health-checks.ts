import { formatAddress, type Endpoint } from '@bascule/core';
import type { MemberRecord, Verdict } from '../membership/membership.ts';
import { addressOf } from '../membership/statement.ts';
import { createCheck, type Check } from './check.ts';
import type { CheckState } from './check-state.ts';
import { createGate } from './gate.ts';
import type { HealthChecks, HealthChecksOptions, HealthSettings } from './health-checks.ts';
import { createLoadLimits } from './load-limits.ts';
import { createPacers } from './pacers.ts';
import { createPlanner, type CheckPlan } from './plan.ts';
import { toVerdict } from './verdict.ts';

/** Checks under way at once, over all endpoints. */
const MAX_UNDERWAY = 64;
/** Endpoints that come together are asked over so long. */
const MAX_SPREAD_MS = 1_000;

/** An endpoint at one address: what was found at another says nothing of it. */
interface Subject {
  readonly key: string;
  readonly address: string;
  record: MemberRecord;
  readonly checks: Map<string, { readonly check: Check; readonly plan: CheckPlan }>;
  /** As told to the membership. */
  verdict: Verdict;
}

const UNKNOWN: Verdict = { verdict: 'unknown' };

/** Begins with the endpoints that the membership has. See {@link HealthChecks} for the rules. */
export function createHealthChecks(options: HealthChecksOptions): HealthChecks {
  const { membership, clock, probes } = options;
  const running = new Set<Promise<void>>();
  const context = { clock, probes, running, gate: createGate(MAX_UNDERWAY) };
  const subjects = new Map<string, Subject>();
  const pacers = createPacers();
  const warned = new Set<string>();
  let settings: HealthSettings = options.settings;
  let planOf = createPlanner(settings);
  let isClosed = false;
  const loads = createLoadLimits({
    clock,
    limitOf: (service) => settings.loadLimitOf(service),
    onChange(key) {
      const subject = subjects.get(key);
      if (subject !== undefined) judge(subject);
    },
  });

  /** Tells the membership when the verdict has changed, or when it has forgotten it. */
  function judge(subject: Subject): void {
    const { key, record } = subject;
    const states = [...subject.checks.values()].map(({ check }) => check.state());
    const isWell = !('why' in toVerdict(states, undefined)) && (record.said.health ?? 'healthy') === 'healthy';
    loads.set(key, record.said.services, isWell);
    const verdict = toVerdict(states, loads.whyOver(key));
    const isForgotten = 'why' in verdict && record.endpoint.health !== 'failing';
    if (isSame(verdict, subject.verdict) && !isForgotten) return;
    subject.verdict = verdict;
    membership.report(key, verdict);
  }

  function drop(subject: Subject): void {
    for (const [id, { check, plan }] of subject.checks) end(subject, id, check, plan);
    loads.delete(subject.key);
    subjects.delete(subject.key);
  }

  function end(subject: Subject, id: string, check: Check, plan: CheckPlan): void {
    check.cancel();
    pacers.close(plan);
    subject.checks.delete(id);
  }

  /** The subject of a key as it is now; undefined when it has left. */
  function refresh(key: string): Subject | undefined {
    const record = membership.member(key);
    const known = subjects.get(key);
    const address = record === undefined ? undefined : addressOf(record.endpoint);
    if (known !== undefined && known.address !== address) drop(known);
    if (record === undefined || address === undefined) return undefined;
    const subject = subjects.get(key) ?? { key, address, record, checks: new Map(), verdict: UNKNOWN };
    subject.record = record;
    subjects.set(key, subject);
    return subject;
  }

  /** Brings checks to what is planned, and begins those that are new. */
  function replan(keys: Iterable<string>): void {
    const changed: Subject[] = [];
    const fresh: { readonly subject: Subject; readonly plan: CheckPlan }[] = [];
    for (const key of keys) {
      const subject = refresh(key);
      if (subject === undefined) continue;
      changed.push(subject);
      const plans = planOf(subject.record);
      for (const [id, { check, plan }] of subject.checks) if (!plans.has(id)) end(subject, id, check, plan);
      for (const plan of plans.values()) if (!subject.checks.has(plan.id)) fresh.push({ subject, plan });
    }
    const isOne = fresh.every(({ subject }) => subject === fresh[0]?.subject);
    for (const { subject, plan } of fresh) {
      const spreadMs = isOne ? 0 : Math.min(plan.settings.intervalMs, MAX_SPREAD_MS);
      const isCrowd = fresh.length > plan.settings.maxChecksPerInterval;
      begin(subject, plan, isCrowd && plan.initial.kind === 'pending' ? { kind: 'unchecked' } : plan.initial).begin(
        spreadMs * clock.random(),
      );
    }
    changed.forEach(judge);
  }

  function begin(subject: Subject, plan: CheckPlan, initial: CheckState): Check {
    const check = createCheck({
      context,
      plan,
      pacer: pacers.open(plan),
      initial,
      endpoint: () => subject.record.endpoint,
      onChange: () => judge(subject),
      onUnimplemented: () => warnOnce(plan, subject.record.endpoint),
    });
    subject.checks.set(plan.id, { check, plan });
    return check;
  }

  function warnOnce({ service }: CheckPlan, endpoint: Endpoint): void {
    if (warned.has(service)) return;
    warned.add(service);
    options.onWarning?.(
      `${formatAddress(endpoint)} has no grpc.health.v1, so it counts as healthy, as all of ${service} without it do: ` +
        'check the service by TCP or HTTP to know more',
    );
  }

  replan(membership.members().map(({ key }) => key));
  return {
    changed(keys) {
      if (!isClosed) replan(keys);
    },
    update(next) {
      settings = next;
      planOf = createPlanner(settings);
      if (!isClosed) replan([...subjects.keys()]);
    },
    reportLoad(key, load) {
      if (!isClosed) loads.report(key, load);
    },
    async close() {
      isClosed = true;
      for (const { checks } of subjects.values()) for (const { check } of checks.values()) check.cancel();
      loads.close();
      await Promise.all(running);
    },
  };
}

function isSame(a: Verdict, b: Verdict): boolean {
  return a.verdict === b.verdict && ('why' in a ? a.why : '') === ('why' in b ? b.why : '');
}
