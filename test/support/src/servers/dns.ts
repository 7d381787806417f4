import { Resolver } from 'node:dns/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from './ports.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';

/** Names are relative to the zone; `@` is the zone itself. */
export type DnsRecord =
  | { readonly type: 'A' | 'AAAA'; readonly name: string; readonly ttlSeconds: number; readonly address: string }
  | { readonly type: 'CNAME'; readonly name: string; readonly ttlSeconds: number; readonly target: string }
  | { readonly type: 'TXT'; readonly name: string; readonly ttlSeconds: number; readonly text: string }
  | {
      readonly type: 'SRV';
      readonly name: string;
      readonly ttlSeconds: number;
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      /** Relative to the zone, or absolute with a dot at its end. */
      readonly target: string;
    };

export interface DnsServer extends RealServer {
  /** `bascule.test`: it is the authority for this, and refuses what is outside. */
  readonly zone: string;
  /**
   * Makes these all the records there are; resolves when they are served. A name without records is NXDOMAIN, one with records
   * of another type is an empty NOERROR, and a thousand records do not fit UDP, so that TCP is needed.
   */
  set(records: readonly DnsRecord[]): Promise<void>;
  /** Answers SERVFAIL for the whole zone until the next `set`; resolves when it does. */
  fail(): Promise<void>;
}

const ZONE = 'bascule.test';
const POLL_MS = 10;

/** bind9 as the authority for one zone, over UDP and TCP on one port. What does not exist may be remembered for a second. */
export async function startDns(options: { readonly records?: readonly DnsRecord[] } = {}): Promise<DnsServer> {
  const { named, libraries } = programs('dns');
  const [port] = (await freePorts(1)) as [number];
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  let serial = 0;
  let folder = '';

  const writeZone = (records: readonly DnsRecord[]): void => {
    serial++;
    const head = `$ORIGIN ${ZONE}.\n@ 1 SOA ns root ${serial} 60 60 60 1\n@ 1 NS ns\nns 1 A 127.0.0.1\n`;
    writeFileSync(join(folder, 'zone'), `${head}${records.map(toLine).join('\n')}\n`);
  };
  const writeConfiguration = (zone: string): void =>
    writeFileSync(join(folder, 'named.conf'), configurationOf(folder, port, zone));
  const servesIt = async (): Promise<boolean> => (await resolver.resolveSoa(ZONE)).serial === serial;

  const server = await runServer({
    name: 'dns',
    port,
    url: `dns://127.0.0.1:${port}`,
    prepare(data) {
      folder = data;
      writeZone(serial === 0 ? (options.records ?? []) : []);
      writeConfiguration(PRIMARY);
    },
    command: (data) => ({
      file: named,
      args: ['-4', '-g', '-n', '1', '-c', join(data, 'named.conf')],
      env: { LD_LIBRARY_PATH: libraries },
    }),
    isReady: servesIt,
  });

  const reload = async (isDone: () => Promise<boolean>): Promise<void> => {
    process.kill(server.pid, 'SIGHUP');
    while (!(await isDone())) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  };
  return Object.assign(server, {
    zone: ZONE,
    set(records: readonly DnsRecord[]) {
      writeZone(records);
      writeConfiguration(PRIMARY);
      return reload(() => servesIt().catch(() => false));
    },
    fail() {
      writeConfiguration(SECONDARY_WITHOUT_DATA);
      return reload(() =>
        resolver.resolveSoa(ZONE).then(
          () => false,
          (error: NodeJS.ErrnoException) => error.code === 'ESERVFAIL',
        ),
      );
    },
  });
}

const PRIMARY = 'type primary; file "zone";';
/** The way of BIND to have a zone and know nothing of it: its primary has never been reached. */
const SECONDARY_WITHOUT_DATA = 'type secondary; primaries { 127.0.0.1 port 1; };';

function configurationOf(folder: string, port: number, zone: string): string {
  return `options {
  directory "${folder}"; managed-keys-directory "${folder}"; pid-file none; session-keyfile none; lock-file none;
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; minimal-responses yes; notify no; max-records-per-type 0; rrset-order { order fixed; };
};
controls { };
zone "${ZONE}" { ${zone} };
`;
}

function toLine(record: DnsRecord): string {
  return `${record.name} ${record.ttlSeconds} ${record.type} ${dataOf(record)}`;
}

function dataOf(record: DnsRecord): string {
  if (record.type === 'SRV') return `${record.priority} ${record.weight} ${record.port} ${record.target}`;
  if (record.type === 'CNAME') return record.target;
  return record.type === 'TXT' ? JSON.stringify(record.text) : record.address;
}
