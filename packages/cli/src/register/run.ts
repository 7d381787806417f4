import { sleep, type Clock, type Endpoint } from '@bascule/core';
import {
  createProbes,
  registerWithAll,
  type ClosableTransport,
  type Credentials,
  type Probes,
  type Registrar,
  type RegistrySystem,
} from '@bascule/discovery';
import type { CliContext } from '../context.ts';
import { holdProcess } from '../process-hold.ts';
import { explainSpec } from '../system-options.ts';
import { toPlain } from '../terminal.ts';
import { runCheck, type Check } from './check.ts';
import { startProgram, type Program } from './program.ts';

export interface RunRegisteredOptions {
  readonly context: CliContext;
  /** The program and its arguments; empty registers only. */
  readonly argv: readonly string[];
  readonly clock: Clock;
  readonly endpoint: Endpoint;
  readonly schema: Uint8Array;
  readonly check: Check;
  readonly systems: readonly RegistrySystem[];
  dial(baseUrl: string, credentials: Credentials): ClosableTransport;
}

const CHECK_INTERVAL_MS = 1_000;
/** Failures in a row until it counts as failing; one success brings it back. */
const UNHEALTHY_THRESHOLD = 3;
/** Between deregistration and SIGTERM, so that watchers have heard of it. */
const PROPAGATION_MS = 500;
const DRAIN_TIMEOUT_MS = 30_000;
/** Ended by SIGTERM, as it was asked to. */
const TERMINATED = 143;

/** Runs, checks, registers, deregisters. Resolves with the program's exit code. */
export async function runRegistered(options: RunRegisteredOptions): Promise<number> {
  const { context, clock } = options;
  const stop = new AbortController();
  const program = options.argv.length === 0 ? undefined : startProgram(options.argv, context.cwd, context.env);
  context.onStop(() => (stop.signal.aborted ? program?.kill('SIGKILL') : stop.abort()));
  // A program that ends by itself ends everything; so does one that could not be started.
  void program?.ended.then(
    () => stop.abort(),
    () => stop.abort(),
  );
  // Nothing else keeps the process alive between two checks.
  const release = holdProcess();
  const probes = createProbes({ dial: (endpoint) => options.dial(`http://${hostOf(endpoint)}:${endpoint.port}`, {}) });
  let isAsked = false;
  context.onStop(() => (isAsked = true));
  try {
    await keepRegistered(options, probes, stop.signal);
    const code = await endProgram(program, clock);
    return isAsked && code === TERMINATED ? 0 : code;
  } finally {
    release();
  }
}

async function keepRegistered(options: RunRegisteredOptions, probes: Probes, stop: AbortSignal): Promise<void> {
  const { context, clock, endpoint } = options;
  const say = (text: string): void => context.terminal.remark(toPlain(text));
  if (!(await passes(options, probes, stop))) return;
  const registrar = await open(options, say);
  const watching = watch(options, { probes, stop, registrar, say });
  await aborted(stop);
  await watching;
  await registrar.close();
  say(`${endpoint.instanceId} is deregistered`);
  await sleep(clock, PROPAGATION_MS);
}

/** Waits for the first check that passes; false when it is time to stop before. */
async function passes(options: RunRegisteredOptions, probes: Probes, stop: AbortSignal): Promise<boolean> {
  const { clock, check, endpoint, context } = options;
  let told = '';
  while (!stop.aborted) {
    const why = await runCheck(check, { endpoint, probes, clock });
    if (why === undefined) return !stop.aborted;
    if (why !== told) context.terminal.remark(toPlain(`not registered yet: ${check.kind} check: ${why}`));
    told = why;
    await Promise.race([sleep(clock, CHECK_INTERVAL_MS / 4), aborted(stop)]);
  }
  return false;
}

function open(options: RunRegisteredOptions, say: (text: string) => void): Promise<Registrar> {
  const { systems, endpoint, schema, clock } = options;
  return explainSpec(() =>
    registerWithAll({
      systems,
      endpoint,
      schema,
      clock,
      dial: (baseUrl, credentials) => options.dial(baseUrl, credentials),
      onEvent(url, event) {
        if (event.type === 'deregistered') return;
        const tail = 'error' in event ? `: ${event.error}` : '';
        say(`${url}: ${event.type} ${endpoint.instanceId}${tail}`);
      },
    }),
  );
}

interface Watched {
  readonly probes: Probes;
  readonly stop: AbortSignal;
  readonly registrar: Registrar;
  readonly say: (text: string) => void;
}

async function watch(options: RunRegisteredOptions, { probes, stop, registrar, say }: Watched): Promise<void> {
  const { clock, check, endpoint } = options;
  let failures = 0;
  while (!stop.aborted && check.kind !== 'none') {
    await Promise.race([sleep(clock, CHECK_INTERVAL_MS), aborted(stop)]);
    if (stop.aborted) return;
    const why = await runCheck(check, { endpoint, probes, clock });
    if (stop.aborted) return;
    const wasFailing = failures >= UNHEALTHY_THRESHOLD;
    failures = why === undefined ? 0 : failures + 1;
    const isFailing = failures >= UNHEALTHY_THRESHOLD;
    if (isFailing === wasFailing) continue;
    say(isFailing ? `failing: ${check.kind} check: ${why}` : 'healthy again');
    registrar.update({ health: isFailing ? 'failing' : 'healthy' });
  }
}

async function endProgram(program: Program | undefined, clock: Clock): Promise<number> {
  if (program === undefined) return 0;
  program.kill('SIGTERM');
  const limit = clock.after(DRAIN_TIMEOUT_MS, () => program.kill('SIGKILL'));
  const code = await program.ended;
  limit.cancel();
  return code;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function hostOf({ host }: Endpoint): string {
  return host.includes(':') ? `[${host}]` : host;
}
