import { processedOf } from '@bascule/client';
import { codeName } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';

/** What the exit code of the command means. */
export const ExitCode = {
  ok: 0,
  /** Refused, or a call that failed. */
  failed: 1,
  /** The command line, the configuration or a request does not hold. */
  usage: 2,
  unreachable: 3,
  unauthorised: 4,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends the command with a message for people and an exit code for machines. */
export class CliFailure extends Error {
  /** One of ExitCode, or that of a program that was run. */
  readonly exitCode: number;
  /** What to do; may be empty. */
  readonly advice: string;
  /** Name of the RPC code, where a call failed; otherwise empty. */
  readonly code: string;

  constructor(exitCode: number, message: string, advice = '', code = '') {
    super(message);
    this.exitCode = exitCode;
    this.advice = advice;
    this.code = code;
  }
}

/** Puts whatever was thrown into words. Messages of our services hold the advice behind a line break. */
export function toFailure(thrown: unknown): CliFailure {
  const known = findFailure(thrown);
  if (known !== undefined) return known;
  if (thrown instanceof ConnectError) return toCallFailure(thrown);
  const error = (thrown ?? {}) as {
    name?: unknown;
    message?: unknown;
    code?: unknown;
    host?: unknown;
    port?: unknown;
    reason?: unknown;
    advice?: unknown;
  };
  if (error.name === 'ConfigRefused') return new CliFailure(ExitCode.usage, String(error.message));
  if (error.code === 'EADDRINUSE') {
    const advice = 'Stop what listens there, or choose another port (see --help).';
    return new CliFailure(ExitCode.failed, `port ${String(error.port)} of ${String(error.host)} is in use`, advice);
  }
  if (typeof error.reason === 'string' && typeof error.advice === 'string') {
    return new CliFailure(ExitCode.failed, error.reason, error.advice);
  }
  return new CliFailure(ExitCode.failed, typeof error.message === 'string' ? error.message : String(thrown));
}

/** Clients wrap what interceptors and streams of requests throw. */
function findFailure(thrown: unknown): CliFailure | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) if (error instanceof CliFailure) return error;
  return undefined;
}

function toCallFailure(error: ConnectError): CliFailure {
  const [what = '', ...advice] = error.rawMessage.split('\n');
  const exitCode =
    error.code === Code.Unauthenticated || error.code === Code.PermissionDenied
      ? ExitCode.unauthorised
      : ExitCode.failed;
  return new CliFailure(exitCode, what, advice.join(' '), codeName(error.code));
}

/** Whether a call never got as far as a connection. */
export function isUnreachable(thrown: unknown): boolean {
  return processedOf(thrown) === 'never-sent';
}
