/** Something that takes gRPC-Web calls and passes them on as gRPC. */
export interface Subject {
  readonly name: string;
  /** How it was started and what is switched on, for whoever wants to repeat or doubt it. */
  readonly settings: readonly string[];
  /** Process whose CPU time and memory count. */
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

export interface SubjectOptions {
  /** For configuration and logs. */
  readonly folder: string;
  readonly backendPorts: readonly number[];
  /** Folder for a CPU profile, where the subject can make one. */
  readonly profile: string | undefined;
}

/** Starts a subject, or says in words why it cannot be measured here. */
export type StartSubject = (options: SubjectOptions) => Promise<Subject | string>;
