import { create } from '@bufbuild/protobuf';
import { ConditionSchema, State, type Condition } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { isPlain } from './validation.ts';

const MAX_FAILING_CHECKS = 16;
const MAX_UTILIZATION = 100;
/** What is told of the utilization: less is noise, and every word goes to every watcher. */
const UTILIZATION_STEP = 0.05;
const STATES: ReadonlySet<number> = new Set([State.DRAINING, State.FAILING]);

/**
 * A condition as it is kept. Nothing in it is refused: a renewal that says something odd is still a sign of life, and
 * what is odd is left out.
 */
export function toSoundCondition({ state, failingChecks, utilization }: Condition): Condition {
  return create(ConditionSchema, {
    state: STATES.has(state) ? state : State.SERVING,
    failingChecks: failingChecks.filter((name) => name !== '' && isPlain(name)).slice(0, MAX_FAILING_CHECKS),
    ...(utilization !== undefined && utilization >= 0 && { utilization: Math.min(utilization, MAX_UTILIZATION) }),
  });
}

/**
 * What news are worth: `at-once` for what decides about calls, `soon` for a utilization that has moved by a step,
 * `none` for less.
 */
export function compareConditions(told: Condition | undefined, next: Condition): 'at-once' | 'soon' | 'none' {
  if ((told?.state ?? State.SERVING) !== next.state) return 'at-once';
  if ((told?.failingChecks ?? []).join('\n') !== next.failingChecks.join('\n')) return 'at-once';
  const [before, after] = [told?.utilization, next.utilization];
  if (before === undefined || after === undefined) return before === after ? 'none' : 'soon';
  // A little less than a step, since steps are no exact numbers of the machine.
  return Math.abs(after - before) > UTILIZATION_STEP - 1e-9 ? 'soon' : 'none';
}

/** As it is told: the utilization in steps. */
export function toToldCondition(condition: Condition): Condition {
  const { state, failingChecks, utilization } = condition;
  if (utilization === undefined) return condition;
  const steps = Math.round(utilization / UTILIZATION_STEP);
  return create(ConditionSchema, { state, failingChecks, utilization: Number((steps * UTILIZATION_STEP).toFixed(2)) });
}
