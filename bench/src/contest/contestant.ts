import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { GoBackend } from '../backends/go-backend.ts';
import { buildGoProgram } from '../backends/go-program.ts';
import { startWireDriver, type WireDriver } from '../drivers/wire-driver.ts';
import { LOAD_CORE, SUBJECT_CORE, canPin } from '../process.ts';
import { summariseProfile } from '../profile.ts';
import { startBascule } from '../subjects/bascule.ts';
import { startEnvoy } from '../subjects/envoy.ts';
import { startGrpcWebProxy } from '../subjects/grpcwebproxy.ts';
import { startNodeProxy } from '../subjects/node-proxy.ts';
import type { StartSubject, Subject, SubjectOptions } from '../subjects/subject.ts';
import type { WorkContext } from '../work.ts';

/** One subject with a driver of its own. */
export interface Contestant extends Subject {
  readonly driver: WireDriver;
}

const GATEWAYS = {
  bascule: startBascule,
  envoy: startEnvoy,
  grpcwebproxy: startGrpcWebProxy,
  node: startNodeProxy,
} as const satisfies Record<string, StartSubject>;

export type GatewayName = keyof typeof GATEWAYS;

/** Starts those of the named gateways that are asked for and can be had, each in a folder of its own. */
export async function startGateways(
  context: WorkContext,
  names: readonly GatewayName[],
  backends: readonly GoBackend[],
  options: Partial<SubjectOptions> = {},
): Promise<Contestant[]> {
  const { flags, folder, print } = context;
  const contestants: Contestant[] = [];
  for (const name of names) {
    if (flags.subjects?.includes(name) === false) continue;
    const backendPorts = backends.map((backend) => backend.port);
    const subject = await GATEWAYS[name]({ folder, backendPorts, profile: profileFolder(context), ...options });
    if (typeof subject === 'string') print(`${name} is left out: ${subject}\n`);
    else contestants.push(await withDriver(context, subject));
  }
  return contestants;
}

/** Introduces a subject and gives it a driver. */
export async function withDriver<T extends Subject>(
  { folder, print }: WorkContext,
  subject: T,
): Promise<T & Contestant> {
  print(`${subject.name}:\n  ${subject.settings.join('\n  ')}\n`);
  const driver = await startWireDriver(await buildGoProgram('driver-go'), folder);
  return { ...subject, driver };
}

/** Stops all, drivers first, and prints where Bascule's time went, if that was asked. */
export async function stopContestants(context: WorkContext, contestants: readonly Contestant[]): Promise<void> {
  for (const contestant of contestants) {
    await contestant.driver.end();
    await contestant.stop();
  }
  const profile = profileFolder(context);
  if (profile !== undefined) context.print(await summariseProfile(profile));
}

/** Each work has its own, so that the newest profile in it is the one. */
export function profileFolder({ flags, name }: WorkContext): string | undefined {
  return flags.profile === undefined ? undefined : join(flags.profile, name);
}

/** Where everything runs, in words. */
export function describeCores(): string {
  return canPin
    ? `subjects on core ${SUBJECT_CORE}, drivers and backends on core ${LOAD_CORE}\n`
    : 'taskset is missing: nothing is pinned, so numbers are unsteady\n';
}

/** A context with a folder below, for parts that start the same subjects again. */
export async function inFolder(context: WorkContext, name: string): Promise<WorkContext> {
  const folder = join(context.folder, name);
  await mkdir(folder, { recursive: true });
  return { ...context, folder };
}
