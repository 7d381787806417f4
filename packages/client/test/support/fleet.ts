import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { freePort } from '../../../../test/support/src/servers/ports.ts';
import { TestService } from './schema.ts';

/** A server of connect-node that can be killed, drained and started again at its place. */
export class FleetMember {
  /** Calls that its handlers were given. */
  calls = 0;
  /** What `say` does before it answers. */
  before: () => Promise<void> | void = () => {};
  port = 0;
  #server: Http2Server | undefined = undefined;
  readonly sockets = new Set<Socket>();
  readonly sessions = new Set<ServerHttp2Session>();

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    const server = createServer(connectNodeAdapter({ routes: (router) => this.#routes(router) }));
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    server.on('session', (session) => {
      this.sessions.add(session);
      session.on('error', () => undefined);
      session.on('close', () => this.sessions.delete(session));
    });
    // One that nobody else is handed while the member is away.
    if (this.port === 0) this.port = await freePort();
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    return this;
  }

  /** As a process that dies: connections end in the middle of whatever goes over them. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** As a process that is asked to end: GOAWAY, and open calls are served. */
  async drain(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    for (const session of this.sessions) session.close();
    await closed;
  }

  #routes(router: ConnectRouter): void {
    router.service(TestService, {
      say: async ({ value }, context) => {
        this.calls++;
        context.responseHeader.set('x-from', this.address);
        await this.before();
        return { value };
      },
      blob: async ({ value }) => {
        this.calls++;
        await this.before();
        return { value };
      },
      count: async function* ({ value }, { signal }) {
        for (let n = 1; n <= Math.abs(value); n++) yield { value: String(n) };
        if (value < 0) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    });
  }
}

/** Members that end with the test. */
export async function startFleet(size: number): Promise<FleetMember[] & AsyncDisposable> {
  const members = await Promise.all(Array.from({ length: size }, () => new FleetMember().start()));
  return Object.assign(members, {
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map((member) => member.kill()));
    },
  });
}

export function staticUrl(members: readonly FleetMember[]): string {
  return `static:${members.map(({ address }) => address).join()}`;
}

/** A failure of this code for so many of 100 calls. In the trailers, since connect-node sends the head first. */
export function failing(percent: number, random: () => number, code = Code.Unavailable): () => void {
  return () => {
    if (random() * 100 < percent) throw new ConnectError('not now', code);
  };
}
