/** One thing worth telling an operator. Plain data. */
export interface LogEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly [key: string]: string | number | boolean;
}

export type Log = (event: LogEvent) => void;
