import type { Certificate } from './certificate.ts';

/** Something that answers calls: a gateway between driver and backends, or a server. */
export interface Subject {
  readonly name: string;
  /** How it was started and what is switched on, for whoever wants to repeat or doubt it. */
  readonly settings: readonly string[];
  /** Process whose CPU time and memory count. */
  readonly pid: number;
  readonly port: number;
  /** File with the collector's lines, where they were asked for and there is a collector. */
  readonly collectorLog?: string;
  stop(): Promise<void>;
}

export interface SubjectOptions {
  /** For configuration and logs. */
  readonly folder: string;
  readonly backendPorts: readonly number[];
  /** Folder for a CPU profile, where the subject can make one. */
  readonly profile: string | undefined;
  /** What callers speak, for those that speak one alone. Default '1.1'. */
  readonly http?: '1.1' | '2';
  /** Callers speak TLS. Default: they do not. */
  readonly tls?: Certificate | undefined;
  /** Streams without a deadline, thousands at once: lifts the limits that stand in the way. Default false. */
  readonly manyStreams?: boolean;
  /** Writes what the collector does; costs a little. Default false. */
  readonly traceCollector?: boolean;
}

/** Starts a subject, or says in words why it cannot be measured here. */
export type StartSubject = (options: SubjectOptions) => Promise<Subject | string>;
