import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { TEST_TLS } from '../tls.ts';
import type { Credentials } from './etcd.ts';
import { freePorts } from './ports.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';

export interface RedisOptions {
  /** Asks for user and password, and lets nobody in without. Default: false. */
  readonly auth?: boolean;
  /** Speaks TLS alone, with the certificate of `TEST_TLS`. Default: false. */
  readonly tls?: boolean;
}

/** `url` is `redis://` or `rediss://`, without credentials. It keeps its data in memory alone, so every restart is an empty one. */
export interface RedisServer extends RealServer {
  readonly credentials: Credentials | undefined;
  /** Sends one command over a connection of its own and resolves with the first line of the answer, as `+OK` or `$1`. */
  ask(...command: readonly string[]): Promise<string>;
}

const CREDENTIALS = { user: 'bascule', password: 'redis-of-tests' };
const ASK_TIMEOUT_MS = 2_000;

/** One Redis that writes nothing to disk. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const { redis, libraries } = programs('redis');
  const [port] = (await freePorts(1)) as [number];
  const { auth = false, tls = false } = options;

  const ask = async (...command: readonly string[]): Promise<string> => {
    const socket = tls
      ? connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: TEST_TLS.cert })
      : connectTcp(port, '127.0.0.1');
    try {
      socket.setTimeout(ASK_TIMEOUT_MS, () => socket.destroy(new Error('Redis does not answer')));
      const login = auth ? encode(['AUTH', CREDENTIALS.user, CREDENTIALS.password]) : '';
      socket.write(login + encode(command));
      const lines: string[] = [];
      let rest = '';
      while (lines.length < (auth ? 2 : 1)) {
        const [bytes] = (await once(socket, 'data')) as [Buffer];
        const parts = (rest + bytes.toString()).split('\r\n');
        rest = parts.pop() as string;
        lines.push(...parts);
      }
      return lines[auth ? 1 : 0] as string;
    } finally {
      socket.destroy();
    }
  };

  const server = await runServer({
    name: 'redis',
    port,
    url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    prepare(data) {
      writeFileSync(join(data, 'cert.pem'), TEST_TLS.cert);
      writeFileSync(join(data, 'key.pem'), TEST_TLS.key, { mode: 0o600 });
      const { user, password } = CREDENTIALS;
      writeFileSync(join(data, 'users.acl'), `user default off\nuser ${user} on >${password} ~* +@all\n`);
    },
    command: (data) => ({
      file: redis,
      args: [
        ...(tls ? tlsArguments(data, port) : ['--port', String(port)]),
        '--bind',
        '127.0.0.1',
        '--dir',
        data,
        '--save',
        '',
        ...(auth ? ['--aclfile', join(data, 'users.acl')] : []),
      ],
      env: { LD_LIBRARY_PATH: libraries },
    }),
    isReady: async () => (await ask('PING')) === '+PONG',
  });
  return Object.assign(server, { credentials: auth ? CREDENTIALS : undefined, ask });
}

function tlsArguments(data: string, port: number): string[] {
  const files = ['--tls-cert-file', 'cert.pem', '--tls-key-file', 'key.pem', '--tls-ca-cert-file', 'cert.pem'];
  return [
    '--port',
    '0',
    '--tls-port',
    String(port),
    '--tls-auth-clients',
    'no',
    ...files.map((part) => (part.endsWith('.pem') ? join(data, part) : part)),
  ];
}

/** A command of RESP: an array of bulk strings. */
function encode(command: readonly string[]): string {
  return `*${command.length}\r\n${command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`;
}
