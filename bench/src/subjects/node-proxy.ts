import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SUBJECT_CORE, startRole } from '../process.ts';
import type { StartSubject } from './subject.ts';

/** What one would write first: Node's own server in, Node's own HTTP/2 client out, and nothing else. */
export const startNodeProxy: StartSubject = async ({ folder, backendPorts, http = '1.1', tls }) => {
  if (tls !== undefined) return 'this proxy is measured without TLS only';
  const home = join(folder, 'node-proxy');
  await mkdir(home, { recursive: true });
  const logFile = join(home, 'node-proxy.log');
  const child = startRole('node-proxy', { backendPorts, http }, { logFile, core: SUBJECT_CORE });
  const { port } = (await child.ready) as { port: number };
  const server = http === '2' ? 'node:http2' : 'node:http';
  return {
    name: `${server} + node:http2`,
    settings: [
      `Node ${process.versions.node}: ${server}.createServer in, one node:http2 session per backend out, in turns`,
      'no limits, no deadlines, no retries, no statistics, no access log',
    ],
    pid: child.pid,
    port,
    stop: () => child.stop(),
  };
};
