/** Status codes of gRPC and Connect, by number. Source: grpc/doc/statuscodes.md. */
export const Code = {
  ok: 0,
  canceled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/** Connect's spelling, indexed by number. "ok" stands at 0 for logs and metrics; Connect itself never sends it. */
export const CODE_NAMES = [
  'ok',
  'canceled',
  'unknown',
  'invalid_argument',
  'deadline_exceeded',
  'not_found',
  'already_exists',
  'permission_denied',
  'resource_exhausted',
  'failed_precondition',
  'aborted',
  'out_of_range',
  'unimplemented',
  'internal',
  'unavailable',
  'data_loss',
  'unauthenticated',
] as const;

/** The name of a code; numbers outside the list read as "unknown", as gRPC asks. */
export function codeName(code: number): (typeof CODE_NAMES)[number] {
  return CODE_NAMES[code] ?? 'unknown';
}

/** The code of a name in Connect's spelling, or undefined. */
export function codeFromName(name: string): Code | undefined {
  const index = (CODE_NAMES as readonly string[]).indexOf(name);
  return index > 0 ? (index as Code) : undefined;
}

/**
 * How far the callee can have got when a call failed on our side of the wire. Retries hang on it.
 * - `never-sent`: no byte of the call left this process. Safe to repeat without limit.
 * - `refused`: the peer said it did not process the call (REFUSED_STREAM, above GOAWAY's last id). Safe to repeat once.
 * - `maybe`: the callee may have run.
 */
export type Processed = 'never-sent' | 'refused' | 'maybe';

/** A failure made on our side of the wire. Plain data: crosses threads. */
export interface CallError {
  readonly code: Code;
  /** For people: what was wrong, and what to do. Never holds a stack, a path or an upstream's address. */
  readonly message: string;
  readonly processed: Processed;
  /** Serialized google.rpc.Status, as in `grpc-status-details-bin`, when there is more to say. */
  readonly details?: Uint8Array;
  /** True when repeating the call cannot help, as when no endpoint became ready in time. */
  readonly final?: true;
}

/** Makes a CallError. */
export function callError(code: Code, message: string, processed: Processed = 'maybe'): CallError {
  return { code, message, processed };
}
