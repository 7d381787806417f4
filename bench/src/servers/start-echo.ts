import { join } from 'node:path';
import type { Counts } from '../backends/go-backend.ts';
import { startGoBackend } from '../backends/go-backend.ts';
import { buildGoProgram } from '../backends/go-program.ts';
import { SUBJECT_CORE, startRole } from '../process.ts';
import type { Subject } from '../subjects/subject.ts';
import type { EchoKind, EchoProcessOptions } from './echo-process.ts';
import { ECHO, REPEAT } from './echo-schema.ts';

/** A server of the echoing handlers. */
export interface EchoServer extends Subject {
  count(): Promise<Counts>;
}

export interface EchoServerOptions {
  readonly name: string;
  readonly settings: readonly string[];
  readonly folder: string;
  readonly profile?: string | undefined;
}

/** One in JavaScript. */
export async function startEchoServer(
  kind: EchoKind,
  http: '1.1' | '2',
  { name, settings, folder, profile }: EchoServerOptions,
): Promise<EchoServer> {
  const logFile = join(folder, `${kind}-${http}.log`.replaceAll(' ', '-'));
  const options: EchoProcessOptions = { kind, http };
  const child = startRole('echo-server', options, { logFile, core: SUBJECT_CORE, profile });
  const { port } = (await child.ready) as { port: number };
  return { name, settings, pid: child.pid, port, count: () => child.ask('"count"'), stop: () => child.stop() };
}

/** The one in Go, with protobuf's codec. */
export async function startGoServer({ name, settings, folder }: EchoServerOptions): Promise<EchoServer> {
  const program = await buildGoProgram('backend-go');
  const logFile = join(folder, 'grpc-go.log');
  const server = await startGoBackend({
    program,
    unary: ECHO,
    stream: REPEAT,
    typed: true,
    core: SUBJECT_CORE,
    logFile,
  });
  return { name, settings, pid: server.pid, port: server.port, count: () => server.count(), stop: () => server.end() };
}
