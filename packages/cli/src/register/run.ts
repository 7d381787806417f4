import { createEndpointProbes, type EndpointTls } from '@bascule/client';
import { sleep, type Clock, type Endpoint } from '@bascule/core';
import {
  registerWithAll,
  waitFor,
  type ClosableTransport,
  type Credentials,
  type Probes,
  type Registrar,
  type RegistrarEvent,
  type RegistrySystem,
} from '@bascule/discovery';
import type { CliContext } from '../context.ts';
import { CliFailure, ExitCode } from '../failure.ts';
import { holdProcess } from '../process-hold.ts';
import { waitForStop } from '../shutdown.ts';
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
/** Of the program that we started ourselves is asked whether it answers, not who it is. */
const OWN: EndpointTls = { name: 'own', required: true, current: () => ANYBODY };
const ANYBODY = { rejectUnauthorized: false };
/** Ended by SIGTERM, as it was asked to. */
const TERMINATED = 143;

/** Runs, checks, registers, deregisters. Resolves with the program's exit code. */
export async function runRegistered(options: RunRegisteredOptions): Promise<number> {
  const { context, clock } = options;
  const stop = new AbortController();
  // Nothing else keeps the process alive between two checks.
  const release = holdProcess();
  const program = options.argv.length === 0 ? undefined : startProgram(options.argv, context.cwd, context.env);
  let isAsked = false;
  const force = (): void => program?.kill('SIGKILL');
  void waitForStop({ context, clock, exitWithStdin: false, force }).then(() => {
    isAsked = true;
    stop.abort();
  });
  // A program that ends by itself ends everything.
  void program?.ended.then(() => stop.abort());
  let code: number;
  try {
    await program?.started;
    await keepRegistered(options, stop.signal);
  } finally {
    code = await endProgram(program, clock);
    release();
  }
  return isAsked && code === TERMINATED ? 0 : code;
}

/** Resolves when it was time to stop. Rejects when all refuse the registration for good. */
async function keepRegistered(options: RunRegisteredOptions, stop: AbortSignal): Promise<void> {
  const { context, clock, endpoint } = options;
  const probes = createEndpointProbes(clock, ({ tls }) => (tls === true ? OWN : undefined));
  const say = (text: string): void => context.terminal.remark(toPlain(text));
  if (!(await passes(options, probes, stop))) return;
  let isKnown = false;
  const registrar = await open(options, (url, { type, ...details }) => {
    if (type === 'registered') isKnown = true;
    const tail = 'error' in details ? `: ${details.error}` : '';
    say(`${url}: ${type} ${endpoint.instanceId}${tail}`);
  });
  const refused = new AbortController();
  registrar.registered.catch((error: Error) => refused.abort(error));
  await watch(options, { probes, stop: AbortSignal.any([stop, refused.signal]), registrar, say });
  const why: unknown = stop.aborted ? undefined : refused.signal.reason;
  await registrar.close();
  // Whoever has not heard yet still sends calls.
  if (isKnown) await sleep(clock, PROPAGATION_MS);
  if (why instanceof Error) throw new CliFailure(ExitCode.failed, `${endpoint.instanceId} is refused: ${why.message}`);
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
    await waitFor(clock, CHECK_INTERVAL_MS / 4, stop);
  }
  return false;
}

function open(
  options: RunRegisteredOptions,
  onEvent: (url: string, event: RegistrarEvent) => void,
): Promise<Registrar> {
  const { systems, endpoint, schema, clock } = options;
  return explainSpec(() =>
    registerWithAll({
      systems,
      endpoint,
      schema,
      clock,
      dial: (baseUrl, credentials) => options.dial(baseUrl, credentials),
      onEvent,
    }),
  );
}

interface Watched {
  readonly probes: Probes;
  readonly stop: AbortSignal;
  readonly registrar: Registrar;
  readonly say: (text: string) => void;
}

/** Checks until it is time to stop. */
async function watch(options: RunRegisteredOptions, { probes, stop, registrar, say }: Watched): Promise<void> {
  const { clock, check, endpoint } = options;
  let failures = 0;
  for (;;) {
    await waitFor(clock, CHECK_INTERVAL_MS, stop);
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
