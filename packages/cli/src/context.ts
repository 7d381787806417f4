import { createOperator, type Operator } from './operator.ts';
import type { Terminal } from './terminal.ts';
import { readToken } from './token-file.ts';

/** Called at each SIGINT or SIGTERM, and as at SIGTERM when nobody reads the output any more. */
export type StopListener = (signal: 'SIGINT' | 'SIGTERM') => void;

/** What the process gives to a command. */
export interface CliContext {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: AsyncIterable<Uint8Array | string>;
  /** Listening keeps the signals from ending the process. */
  onStop(listener: StopListener): void;
  /** Ends the process with all that it holds. */
  exitNow(code: number): void;
  /** Resolves when standard input has ended. */
  stdinEnded(): Promise<void>;
}

/** Options that every command knows. */
export interface GlobalOptions {
  readonly operator: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

/** Clients as the options and the environment name them. */
export function openOperator(context: CliContext, options: GlobalOptions): Operator {
  return createOperator(options.operator, readOperatorToken(context, options));
}

/** The operator's token, from where the options and the environment say. */
export function readOperatorToken(context: CliContext, options: GlobalOptions): string {
  return readToken({ file: options.tokenFile, env: context.env, cwd: context.cwd });
}
