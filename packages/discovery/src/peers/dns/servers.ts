import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { DnsServer } from './exchange.ts';

/** Whom to ask, in order, and for how long. */
export interface DnsServers {
  readonly servers: readonly DnsServer[];
  readonly timeoutMs: number;
  /** How often each of them is asked. */
  readonly attempts: number;
}

const DEFAULT_PORT = 53;
const DEFAULT_TIMEOUT_MS = 2_000;
const DEFAULT_ATTEMPTS = 2;
/** As the C library has it. */
const MAX_SERVERS = 3;
const MAX_ATTEMPTS = 5;
const MAX_TIMEOUT_SECONDS = 30;

export function serversAt(server: DnsServer): DnsServers {
  return { servers: [server], timeoutMs: DEFAULT_TIMEOUT_MS, attempts: DEFAULT_ATTEMPTS };
}

/** The machine's. Without a file it is the machine itself that resolves, as for everybody else on it. */
export async function readServers(file: string): Promise<DnsServers> {
  return parseServers(await readFile(file, 'utf8').catch(() => ''));
}

/** Reads resolv.conf(5): `nameserver`, and `timeout` and `attempts` of `options`. Names are whole, so `search` means nothing. */
export function parseServers(text: string): DnsServers {
  const servers: DnsServer[] = [];
  let timeoutMs = DEFAULT_TIMEOUT_MS;
  let attempts = DEFAULT_ATTEMPTS;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    const [host = ''] = values;
    if (keyword === 'nameserver' && isIP(host) !== 0) servers.push({ host, port: DEFAULT_PORT });
    if (keyword !== 'options') continue;
    for (const option of values) {
      const { name, value = '' } = /^(?<name>timeout|attempts):(?<value>[0-9]{1,6})$/.exec(option)?.groups ?? {};
      if (name === 'timeout') timeoutMs = clamp(Number(value), MAX_TIMEOUT_SECONDS) * 1_000;
      if (name === 'attempts') attempts = clamp(Number(value), MAX_ATTEMPTS);
    }
  }
  if (servers.length === 0) servers.push({ host: '127.0.0.1', port: DEFAULT_PORT });
  return { servers: servers.slice(0, MAX_SERVERS), timeoutMs, attempts };
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 1), max);
}
