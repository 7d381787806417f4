import type { MemberRecord } from '../membership/membership.ts';
import type { CheckState } from './check-state.ts';
import type { CheckSettings, HealthSettings } from './health-checks.ts';

/** A way to check an endpoint. */
export interface CheckPlan {
  /** The same for settings that are the same. */
  readonly id: string;
  /** The first of the endpoint's services that is to be checked so: it bounds how many checks there are. */
  readonly service: string;
  readonly settings: CheckSettings;
  readonly probe: PlannedProbe;
  /** What is known before the first answer. */
  readonly initial: CheckState;
}

/** As in {@link CheckSettings}, with all choices made. */
export type PlannedProbe =
  | { readonly kind: 'grpc'; readonly service: string; readonly watch: boolean }
  | {
      readonly kind: 'http';
      readonly path: string;
      readonly port: number | undefined;
      readonly tls?: boolean | undefined;
    }
  | { readonly kind: 'tcp' };

/** For who is doubted and would not be checked otherwise. It got calls until now, so one failure alone says nothing. */
const DOUBT: CheckPlan = {
  id: 'doubt',
  service: '',
  settings: {
    probe: { kind: 'tcp' },
    intervalMs: 1_000,
    jitterPercent: 10,
    timeoutMs: 1_000,
    unhealthyThreshold: 3,
    healthyThreshold: 1,
    maxChecksPerInterval: 500,
  },
  probe: { kind: 'tcp' },
  initial: { kind: 'passing', failures: 0 },
};

/** How endpoints are to be checked, by settings. Remembers what it made of each. */
export function createPlanner(settings: HealthSettings): (record: MemberRecord) => Map<string, CheckPlan> {
  const known = new Map<string, readonly CheckPlan[]>();

  /** The plans for all that offer these services over this protocol. */
  function plansOf({ said: { services, protocol } }: MemberRecord): readonly CheckPlan[] {
    const key = `${protocol} ${services.join()}`;
    let plans = known.get(key);
    if (plans === undefined) {
      const byId = new Map<string, CheckPlan>();
      for (const service of services) {
        const check = settings.checkOf(service);
        if (check === undefined) continue;
        const plan = toPlan(service, check, protocol === 'grpc');
        if (!byId.has(plan.id)) byId.set(plan.id, plan);
      }
      plans = [...byId.values()];
      // Names come from outside: they must not fill the memory.
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(key, plans);
    }
    return plans;
  }

  return (record) => {
    if (record.said.protocol === 'port') return new Map();
    const plans = plansOf(record);
    const isConfirming = plans.length === 0 && record.presence === 'doubted';
    return new Map((isConfirming ? [DOUBT] : plans).map((plan) => [plan.id, plan]));
  };
}

const MAX_KNOWN = 1_000;

function toPlan(service: string, settings: CheckSettings, speaksGrpc: boolean): CheckPlan {
  const probe = toPlanned(settings.probe, speaksGrpc);
  const initial: CheckState = { kind: probe.kind === 'grpc' && probe.watch ? 'pending' : 'unchecked' };
  return { id: JSON.stringify({ ...settings, probe }), service, settings, probe, initial };
}

function toPlanned(probe: CheckSettings['probe'], speaksGrpc: boolean): PlannedProbe {
  if (probe.kind === 'grpc') return { ...probe, service: probe.service ?? '' };
  if (probe.kind !== 'by-protocol') return probe;
  return speaksGrpc ? { kind: 'grpc', service: '', watch: false } : { kind: 'tcp' };
}
