/** A server of others that runs for a test, with its data in a temporary folder. Nothing of it outlives `stop()`, or this process. */
export interface RealServer extends AsyncDisposable {
  /** What it is, as `canStart` calls it. */
  readonly name: string;
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Host and port. */
  readonly address: string;
  /** The address with its scheme, and its base path where it has one; without a slash at the end. */
  readonly url: string;
  /** The id of its process, for who measures it; another one after a restart. */
  readonly pid: number;
  /** What it printed, of all its starts. */
  output(): string;
  /** SIGSTOP: its connections stay open and nothing is answered. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** SIGKILL; resolves when the process is gone and its ports are free. */
  kill(): Promise<void>;
  /**
   * Starts it on the same ports, also after `kill()`; one that still runs is ended with SIGTERM first. Resolves when it answers.
   * `empty` wipes its data before (default: false), accounts included; those that it was started with are made again.
   */
  restart(options?: { readonly empty?: boolean }): Promise<void>;
  /** Ends it and removes its folder. Doing so twice is harmless. */
  stop(): Promise<void>;
}
