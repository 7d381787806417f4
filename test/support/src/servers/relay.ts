import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePorts } from './ports.ts';

/** Stands between a client and a server and is the network that fails. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Host and port. */
  readonly address: string;
  /** How many clients are connected. */
  readonly connections: number;
  /** Resets all connections and refuses new ones. */
  cut(): Promise<void>;
  /** Accepts again, on the same port. */
  restore(): Promise<void>;
  /** Accepts and holds all bytes of both directions: a partition that nobody is told of. */
  stall(): void;
  /** Hands on what was held. */
  unstall(): void;
  /** Holds every chunk of bytes for so long, in both directions; 0 ends that for what comes from then on. */
  delay(ms: number): void;
  close(): Promise<void>;
}

/** One direction of one connection: what is under way, in order, and when it may go on. */
interface Pipe {
  readonly from: Socket;
  readonly to: Socket;
  readonly queue: { readonly what: Uint8Array | 'end'; readonly dueMs: number }[];
  timer: NodeJS.Timeout | undefined;
}

/** Starts a relay to a port of the loopback address. */
export async function startRelay(targetPort: number): Promise<Relay> {
  const [port] = (await freePorts(1)) as [number];
  const pipes = new Set<Pipe>();
  const clients = new Set<Socket>();
  let isStalled = false;
  let delayMs = 0;
  let server: Server | undefined;

  const pump = (pipe: Pipe): void => {
    clearTimeout(pipe.timer);
    if (isStalled) return;
    for (let first = pipe.queue[0]; first !== undefined; first = pipe.queue[0]) {
      const waitMs = first.dueMs - performance.now();
      if (waitMs > 0) {
        pipe.timer = setTimeout(pump, waitMs, pipe);
        return;
      }
      pipe.queue.shift();
      if (pipe.to.destroyed) continue;
      if (first.what === 'end') pipe.to.end();
      else pipe.to.write(first.what);
    }
    if (pipe.from.closed && pipe.queue.length === 0) pipes.delete(pipe);
  };
  const addPipe = (from: Socket, to: Socket): void => {
    const pipe: Pipe = { from, to, queue: [], timer: undefined };
    pipes.add(pipe);
    const take = (what: Uint8Array | 'end'): void => {
      pipe.queue.push({ what, dueMs: performance.now() + delayMs });
      pump(pipe);
    };
    from.on('data', take).on('end', () => take('end'));
    from.on('error', () => to.resetAndDestroy());
    // What it sent before its end may still be under way.
    from.on('close', () => {
      if (from.errored !== null) pipe.queue.length = 0;
      pump(pipe);
    });
  };
  const listen = async (): Promise<Server> => {
    const listening = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const upstream = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      clients.add(client);
      client.on('close', () => clients.delete(client));
      addPipe(client, upstream);
      addPipe(upstream, client);
    }).listen(port, '127.0.0.1');
    await once(listening, 'listening');
    return listening;
  };

  server = await listen();

  const cut = async (): Promise<void> => {
    const closing = server;
    server = undefined;
    if (closing === undefined) return;
    const closed = once(closing, 'close');
    closing.close();
    for (const { from } of pipes) from.resetAndDestroy();
    await closed;
  };
  return {
    port,
    address: `127.0.0.1:${port}`,
    get connections() {
      return clients.size;
    },
    cut,
    async restore() {
      server ??= await listen();
    },
    stall() {
      isStalled = true;
    },
    unstall() {
      isStalled = false;
      for (const pipe of pipes) pump(pipe);
    },
    delay(ms) {
      delayMs = ms;
    },
    close: cut,
    [Symbol.asyncDispose]: cut,
  };
}
