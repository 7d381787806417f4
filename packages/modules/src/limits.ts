const MIB = 1024 * 1024;

/** What a module version may take. Every option has a default; a value is used as given. */
export interface ModuleLimits {
  /** Bytes of a .tgz as it comes. Default 50 MiB. Range 1 KiB to 1 GiB. */
  readonly maxPackageBytes: number;
  /** Bytes of all files of an unpacked .tgz together, and of a bundle. Default 250 MiB. */
  readonly maxUnpackedBytes: number;
  /** Files and folders in a .tgz. Default 10,000. */
  readonly maxFiles: number;
  /** From handing a bundle to its worker until its schema is known; also for the health check. Default 10 s. */
  readonly loadTimeoutMs: number;
  /** JavaScript heap of a worker (old generation); beyond it the worker dies alone. Default 256 MiB. */
  readonly maxHeapBytes: number;
  /**
   * Memory of a worker outside the JavaScript heap: Buffers and ArrayBuffers. V8 has no limit for it, so it is looked
   * at each `memoryCheckMs`; a worker above it is ended and started again. Default 256 MiB.
   */
  readonly maxExternalBytes: number;
  /** Between two looks at a worker's memory. Default 1 s. Range 100 ms to 60 s. */
  readonly memoryCheckMs: number;
  /** How long a replaced version may finish open calls; 0 is without a deadline. Default 0. */
  readonly drainTimeoutMs: number;
  /** Wait before the first restart after a crash; doubles with each further one, with jitter of 20 %. Default 100 ms. */
  readonly restartFirstMs: number;
  /** Upper end of that wait. Default 30 s. */
  readonly restartMaxMs: number;
  /** Uptime after which a crash counts as the first again. Default 60 s. */
  readonly restartForgetMs: number;
  /** Versions remembered per module, refused ones too; the current and the previous one always are. Default 20. */
  readonly maxHistory: number;
  /** Bytes of one message that a handler may receive. Default 4 MiB. */
  readonly maxMessageBytes: number;
  /** Keep one worker started ahead, which takes 32 MB and saves most of a version's start. Default true. */
  readonly spareWorker: boolean;
}

export const DEFAULT_LIMITS: ModuleLimits = Object.freeze({
  maxPackageBytes: 50 * MIB,
  maxUnpackedBytes: 250 * MIB,
  maxFiles: 10_000,
  loadTimeoutMs: 10_000,
  maxHeapBytes: 256 * MIB,
  maxExternalBytes: 256 * MIB,
  memoryCheckMs: 1_000,
  drainTimeoutMs: 0,
  restartFirstMs: 100,
  restartMaxMs: 30_000,
  restartForgetMs: 60_000,
  maxHistory: 20,
  maxMessageBytes: 4 * MIB,
  spareWorker: true,
});

/** A size for people. */
export function formatMib(bytes: number): string {
  return `${Math.round((bytes / MIB) * 10) / 10} MiB`;
}
