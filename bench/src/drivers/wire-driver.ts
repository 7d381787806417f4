import { join } from 'node:path';
import { LOAD_CORE, startProcess } from '../process.ts';

/** What each call of a load is. */
export interface WireCall {
  readonly protocol: 'grpc-web' | 'grpc';
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Messages of a server stream; undefined is a unary call whose answer is its request. */
  readonly messages?: number;
  /** Characters of each message of a stream. */
  readonly textBytes?: number;
}

export interface WireConnections {
  readonly port: number;
  readonly http: '1.1' | '2';
  readonly tls: boolean;
  readonly connections: number;
}

export interface WireLoad {
  readonly call: WireCall;
  /** Calls at once per connection: always in a closed loop, at most in an open one. */
  readonly inFlight: number;
  /** Calls over all connections; undefined is a closed loop. */
  readonly perSecond?: number | undefined;
}

/** How the calls between start and stop went; latencies are those of good calls, from the moment each was due. */
export interface WireReport {
  readonly seconds: number;
  readonly planned: number;
  readonly started: number;
  readonly ok: number;
  readonly failed: number;
  readonly messages: number;
  readonly faults: readonly string[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** How late the driver itself was with what was due. */
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
}

/** Streams that are kept open. */
export interface Holding {
  readonly open: number;
  /** Of all of them together, right and wrong ones. */
  readonly messages: number;
  readonly failed: number;
  readonly faults: readonly string[];
}

/** The driver in Go, in a process of its own on the core of the load. */
export interface WireDriver {
  readonly pid: number;
  /** Opens connections, and closes those of before. */
  connect(to: WireConnections): Promise<void>;
  start(load: WireLoad): Promise<void>;
  stop(): Promise<WireReport>;
  /** Opens streams over all connections; resolves when each has brought a message. They stay open. */
  hold(call: WireCall, streams: number): Promise<Holding>;
  held(): Promise<Holding>;
  disconnect(): Promise<void>;
  end(): Promise<void>;
}

/** Distinguishes drivers of a run by their call ids. */
let drivers = 0;

/** Starts a driver; `program` is built of driver-go. */
export async function startWireDriver(program: string, folder: string): Promise<WireDriver> {
  const driver = ++drivers;
  const child = startProcess({
    name: 'wire driver',
    command: program,
    args: [`-driver=${driver}`],
    speaksJson: true,
    core: LOAD_CORE,
    logFile: join(folder, `wire-driver-${driver}.log`),
  });
  await child.ready;
  const ask = async <T>(command: object): Promise<T> => {
    const answer = await child.ask<T & { readonly error?: string }>(JSON.stringify(command));
    if (answer.error !== undefined) throw new Error(`the driver cannot go on: ${answer.error}`);
    return answer;
  };
  return {
    pid: child.pid,
    connect: (to) => ask({ do: 'connect', ...to }),
    start: ({ call, ...rest }) => ask({ do: 'start', load: call, ...rest }),
    stop: () => ask<WireReport>({ do: 'stop' }),
    hold: (call, streams) => ask<Holding>({ do: 'hold', load: { ...call, hold: true }, streams }),
    held: () => ask<Holding>({ do: 'held' }),
    disconnect: () => ask({ do: 'disconnect' }),
    end: () => child.stop(),
  };
}
