import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../cache.ts';
import { SUBJECT_CORE, startProcess } from '../process.ts';
import { findFreePort, waitForPort } from './port.ts';
import type { StartSubject } from './subject.ts';

const run = promisify(execFile);
const PACKAGE = 'github.com/improbable-eng/grpc-web/go/grpcwebproxy';
const VERSION = 'v0.15.0';

/** The proxy of the gRPC-Web library for Go. It knows one backend and does not balance. */
export const startGrpcWebProxy: StartSubject = async ({ folder, backendPorts }) => {
  const program = await install();
  if (program === undefined) return 'grpcwebproxy cannot be built: Go, or the way to its module proxy, is missing';
  const home = join(folder, 'grpcwebproxy');
  await mkdir(home, { recursive: true });
  const port = await findFreePort();
  const args = [
    `--backend_addr=127.0.0.1:${backendPorts[0]}`,
    '--run_tls_server=false',
    '--server_bind_address=127.0.0.1',
    `--server_http_debug_port=${port}`,
    '--allow_all_origins',
  ];
  const logFile = join(home, 'grpcwebproxy.log');
  const child = startProcess({ name: 'grpcwebproxy', command: program, args, core: SUBJECT_CORE, logFile });
  await waitForPort(port);
  return {
    name: 'grpcwebproxy',
    settings: [
      `grpcwebproxy ${VERSION}, ONE backend of the ${backendPorts.length} and so no balancing`,
      '--run_tls_server=false --allow_all_origins; it has no access log; its statistics are not switched on',
    ],
    pid: child.pid,
    port,
    stop: () => child.stop(),
  };
};

async function install(): Promise<string | undefined> {
  const program = join(cacheFolder(), `grpcwebproxy-${VERSION}`, 'grpcwebproxy');
  const isThere = (): Promise<boolean> =>
    access(program).then(
      () => true,
      () => false,
    );
  if (await isThere()) return program;
  const env = { ...process.env, GOBIN: join(program, '..') };
  await run('go', ['install', `${PACKAGE}@${VERSION}`], { env }).catch(() => undefined);
  return (await isThere()) ? program : undefined;
}
