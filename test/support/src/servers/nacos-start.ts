import { freePort } from './ports.ts';

/** gRPC for clients and for other servers, and Raft. */
const OTHER_PORTS = [1_000, 1_001, -1_000] as const;

/** A free port around which Nacos's other ones are free too. */
export function freePortOfNacos(): Promise<number> {
  return freePort(...OTHER_PORTS);
}

/** Keeps everything that it writes in one folder: its logs, its database's log, and what belongs into a user's home. */
export function nacosOptions(home: string): string[] {
  return [
    '-Xmx512m',
    '-Dnacos.standalone=true',
    `-Dnacos.home=${home}`,
    `-Duser.home=${home}`,
    `-Djava.io.tmpdir=${home}`,
    // Its database writes through to the disk at every step of its making; a busy disk then costs more than it waits for.
    '-Dderby.system.durability=test',
    // It gives its own database 3 s to open, and ends when that was too little.
    '-Ddb.pool.config.connectionTimeout=60000',
    `-Dderby.stream.error.file=${home}/derby.log`,
  ];
}
