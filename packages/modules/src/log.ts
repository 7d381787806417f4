import type { VersionRecord } from './history.ts';

/** One thing worth telling an operator. Plain data. */
export interface LogEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly [key: string]: string | number | boolean;
}

export type Log = (event: LogEvent) => void;

/** What every event about a version says of it. */
export function aboutOf(version: About): About {
  const { module, version: number, digest, source } = version;
  return { module, version: number, digest, source };
}

type About = Pick<VersionRecord, 'module' | 'version' | 'digest' | 'source'>;
