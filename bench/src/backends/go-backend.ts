import { LOAD_CORE, startProcess } from '../process.ts';

/** What the answering side has done since it started. */
export interface Counts {
  /** Calls and streams that have ended well. */
  readonly calls: number;
  /** Messages of streams. */
  readonly messages: number;
  /** Streams that are held open. */
  readonly held: number;
}

export interface GoBackend {
  readonly port: number;
  readonly pid: number;
  count(): Promise<Counts>;
  end(): Promise<void>;
}

export interface GoBackendOptions {
  /** Built of backend-go. */
  readonly program: string;
  /** Methods it answers, as in "a.v1.A/Do". */
  readonly unary: string;
  readonly stream?: string;
  /** A server with protobuf's codec; default false, messages are passed on undecoded. */
  readonly typed?: boolean;
  /** Default that of the load. */
  readonly core?: number;
  readonly logFile: string;
}

/** Starts one backend. */
export async function startGoBackend(options: GoBackendOptions): Promise<GoBackend> {
  const { program, unary, stream, typed = false, core = LOAD_CORE, logFile } = options;
  const streams = stream === undefined ? [] : ['-streams', stream];
  const child = startProcess({
    name: 'echo backend',
    command: program,
    args: ['-methods', unary, ...streams, ...(typed ? ['-typed'] : [])],
    speaksJson: true,
    core,
    logFile,
  });
  const { port } = (await child.ready) as { port: number };
  return { port, pid: child.pid, count: () => child.ask<Counts>('count'), end: () => child.stop() };
}
