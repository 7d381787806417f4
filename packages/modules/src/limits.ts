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
  /**
   * JavaScript heap of a worker. Looked at each `memoryCheckMs`: above it the worker collects garbage, and is ended and
   * started again when that does not help. V8's own limit stands far above, see {@link lastHeapBytes}. Default 256 MiB.
   */
  readonly maxHeapBytes: number;
  /**
   * Memory of a worker outside the JavaScript heap: Buffers and ArrayBuffers. V8 has no limit for it, so it is looked
   * at in the same way. Default 256 MiB.
   */
  readonly maxExternalBytes: number;
  /** Between two looks at a worker's memory. Default 100 ms. Range 10 ms to 10 s. */
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
  /** For the gateway to take what was published; after it a deployment is refused. Default 30 s. */
  readonly publishTimeoutMs: number;
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
  memoryCheckMs: 100,
  drainTimeoutMs: 0,
  restartFirstMs: 100,
  restartMaxMs: 30_000,
  restartForgetMs: 60_000,
  maxHistory: 20,
  maxMessageBytes: 4 * MIB,
  publishTimeoutMs: 30_000,
  spareWorker: true,
});

/**
 * V8's own limit of a worker's heap, the last resort. V8 allows 16 MiB beyond it for the way out, and a larger step, as
 * of a growing array, aborts the whole process: measured at a limit of 256 MiB with arrays and maps. So the watch must
 * come first, and needs this much room for what a worker allocates between two looks.
 */
export function lastHeapBytes(limits: ModuleLimits): number {
  return 2 * limits.maxHeapBytes + 256 * MIB;
}

/** A size for people. */
export function formatMib(bytes: number): string {
  return `${Math.round((bytes / MIB) * 10) / 10} MiB`;
}
