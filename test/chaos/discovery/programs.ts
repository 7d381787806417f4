import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../../support/src/servers/ports.ts';
import type { RealServer } from '../../support/src/servers/real-server.ts';
import { runServer } from '../../support/src/servers/run-server.ts';

const BASCULE = join(import.meta.dirname, '../../../packages/cli/bin/bascule.mjs');

/**
 * 127.0.0.1 in its long form. In the short one it would answer to its own port alone, to keep pages in browsers away, and
 * with relays it is called by the ports of these.
 */
const LOOPBACK = '::ffff:127.0.0.1';

/** `bascule registry` in a process of its own. An empty restart is any: it keeps nothing but its token. */
export async function startRegistry(
  folder: string,
): Promise<RealServer & { readonly tokenFile: string; token: string }> {
  const [port] = (await freePorts(1)) as [number];
  const url = `http://127.0.0.1:${port}`;
  const stateDir = join(folder, `registry-${port}`);
  const { token, tokenFile } = makeToken(stateDir);
  const server = await runServer({
    name: 'registry',
    port,
    url,
    command: () => ({
      file: process.execPath,
      args: [BASCULE, 'registry', `--port=${port}`, `--state-dir=${stateDir}`, `--host=${LOOPBACK}`],
    }),
    isReady: async () => (await fetch(`${url}/readyz`)).ok,
  });
  return Object.assign(server, { token, tokenFile });
}

/** `bascule gateway` in a process of its own; restarts keep its ports and its folder. */
export interface GatewayProcess extends RealServer {
  /** Where calls go. */
  readonly baseUrl: string;
  readonly operatorUrl: string;
  readonly token: string;
  readonly tokenFile: string;
  /** Where the last known sets are. */
  readonly lastKnownDir: string;
}

export interface GatewayOptions {
  readonly folder: string;
  readonly workers: number;
  /** As in bascule.yaml. */
  readonly config: object;
}

export async function startGatewayProcess({ folder, workers, config }: GatewayOptions): Promise<GatewayProcess> {
  const [port, operatorPort] = (await freePorts(2)) as [number, number];
  const stateDir = join(folder, 'gateway');
  const { token, tokenFile } = makeToken(stateDir);
  const configFile = join(folder, 'bascule.yaml');
  // JSON is YAML.
  writeFileSync(configFile, JSON.stringify(config, undefined, 2));
  const [baseUrl, operatorUrl] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${operatorPort}`];
  const server = await runServer({
    name: 'gateway',
    port,
    url: baseUrl,
    command: () => ({
      file: process.execPath,
      args: [
        BASCULE,
        'gateway',
        `--config=${configFile}`,
        `--state-dir=${stateDir}`,
        `--port=${port}`,
        `--operator-port=${operatorPort}`,
        `--workers=${workers}`,
        '--json',
      ],
    }),
    isReady: async () => (await fetch(`${operatorUrl}/readyz`)).ok,
  });
  const lastKnownDir = join(stateDir, 'last-known');
  return Object.assign(server, { baseUrl, operatorUrl, token, tokenFile, lastKnownDir });
}

/** What `bascule endpoints --json` needs to be told. */
export function endpointsCommand({ operatorUrl, tokenFile }: GatewayProcess): string[] {
  return [BASCULE, '--json', `--operator=${operatorUrl}`, `--token-file=${tokenFile}`, 'endpoints'];
}

function makeToken(stateDir: string): { token: string; tokenFile: string } {
  const token = randomBytes(32).toString('base64url');
  const tokenFile = join(stateDir, 'token');
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  writeFileSync(tokenFile, token, { mode: 0o600 });
  return { token, tokenFile };
}
