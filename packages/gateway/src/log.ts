/** Something an operator should know. Plain data; whoever starts the gateway decides how it is shown. */
export interface LogEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly [detail: string]: string | number | boolean | undefined;
}

export type Log = (event: LogEvent) => void;
