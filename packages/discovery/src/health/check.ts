import type { Endpoint, Timer } from '@bascule/core';
import { createBackoff } from '../waiting.ts';
import { toNextState, type CheckState, type Thresholds } from './check-state.ts';
import type { Gate, Waiting } from './gate.ts';
import type { Probes } from './health-checks.ts';
import type { Pacer } from './pacer.ts';
import type { CheckPlan } from './plan.ts';
import { ask, watch, type Answer, type ProbeContext, type Underway } from './question.ts';

/** One way of checking one endpoint, again and again. */
export interface Check {
  state(): CheckState;
  begin(delayMs: number): void;
  cancel(): void;
}

export interface CheckOptions {
  readonly context: ProbeContext & { readonly probes: Probes; readonly gate: Gate };
  readonly plan: CheckPlan;
  readonly pacer: Pacer;
  readonly initial: CheckState;
  /** As it is now; its address stays. */
  endpoint(): Endpoint;
  /** The state has changed. */
  onChange(): void;
  onUnimplemented(): void;
}

/** A watch tells what the endpoint itself says: there is nothing to wait for. */
const AT_ONCE: Thresholds = { unhealthyThreshold: 1, healthyThreshold: 1 };
const FIRST_RETRY_MS = 100;

/** A check that has not begun. */
export function createCheck(options: CheckOptions): Check {
  const { context, plan, pacer } = options;
  const { clock, probes } = context;
  const { settings, probe } = plan;
  const { intervalMs, timeoutMs } = settings;
  const backoff = createBackoff(clock, FIRST_RETRY_MS, Math.max(FIRST_RETRY_MS, intervalMs));
  let state = options.initial;
  let isWatching = probe.kind === 'grpc' && probe.watch;
  let isFirst = true;
  let timer: Timer | undefined;
  let waiting: Waiting | undefined;
  let underway: Underway | undefined;
  let release: (() => void) | undefined;

  function become(why: string | undefined, thresholds: Thresholds): void {
    const next = toNextState(state, why, thresholds);
    if (next === state) return;
    state = next;
    options.onChange();
  }

  function leaveGate(): void {
    const leave = release;
    release = undefined;
    leave?.();
  }

  /** Checks that began together drift apart, each to a place of its own in the interval. */
  function nextDelayMs(): number {
    const factor = isFirst ? clock.random() : 1 + ((2 * clock.random() - 1) * settings.jitterPercent) / 100;
    isFirst = false;
    return intervalMs * factor;
  }

  function schedule(delayMs: number): void {
    timer?.cancel();
    // A watch may break while the one after it waits for room.
    waiting?.cancel();
    timer = clock.after(delayMs, takeTurn);
  }

  function takeTurn(): void {
    const waitMs = pacer.reserve(clock.nowMs());
    if (waitMs === 0) enter();
    else timer = clock.after(waitMs, enter);
  }

  function enter(): void {
    waiting = context.gate.enter(plan.service, (leave) => {
      release = leave;
      // A watch goes on until the one that takes its place.
      underway?.cancel();
      if (isWatching) watchOn();
      else askOnce();
    });
  }

  function askOnce(): void {
    const startedMs = clock.nowMs();
    underway = ask(context, timeoutMs, runProbe, (answer) => {
      leaveGate();
      if (answer.kind === 'unimplemented') options.onUnimplemented();
      schedule(Math.max(0, nextDelayMs() - (clock.nowMs() - startedMs)));
      become(answer.kind === 'failed' ? answer.why : undefined, settings);
    });
  }

  function runProbe(signal: AbortSignal): Promise<void> {
    const endpoint = options.endpoint();
    if (probe.kind === 'grpc') return probes.grpc(endpoint, probe, signal);
    return probe.kind === 'http' ? probes.http(endpoint, probe, signal) : probes.tcp(endpoint, signal);
  }

  function watchOn(): void {
    let hasAnswered = false;
    const service = probe.kind === 'grpc' ? probe.service : '';
    underway = watch(
      context,
      timeoutMs,
      (signal, onStatus) => probes.watchGrpc(options.endpoint(), { service, onStatus }, signal),
      {
        onStatus(why) {
          if (!hasAnswered) {
            hasAnswered = true;
            leaveGate();
            backoff.reset();
            schedule(nextDelayMs());
          }
          become(why, AT_ONCE);
        },
        onEnd(answer) {
          leaveGate();
          endWatch(answer, hasAnswered);
        },
      },
    );
  }

  function endWatch(answer: Answer, hasAnswered: boolean): void {
    if (answer.kind === 'unimplemented') {
      isWatching = false;
      schedule(0);
      return;
    }
    schedule(backoff.next());
    if (hasAnswered) return;
    become(answer.kind === 'failed' ? answer.why : 'the health watch ended without an answer', AT_ONCE);
  }

  return {
    state: () => state,
    begin: schedule,
    cancel() {
      timer?.cancel();
      waiting?.cancel();
      underway?.cancel();
      leaveGate();
    },
  };
}
