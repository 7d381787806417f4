import { parseArgs } from 'node:util';

/** What the command line says. Undefined is the bench's own choice. */
export interface Flags {
  /** File for the rows. */
  readonly json: string | undefined;
  /** Length of one measurement. */
  readonly seconds: number | undefined;
  /** How often each measurement is repeated. */
  readonly rounds: number | undefined;
  /** A look, not a result: few and short rounds. */
  readonly quick: boolean;
  /** Proves that a bench works: one round that is too short to judge. */
  readonly smoke: boolean;
  /** Names of subjects; undefined is all. */
  readonly subjects: readonly string[] | undefined;
  /** Folder for a CPU profile of Bascule; costs CPU itself, so such a run is no result. */
  readonly profile: string | undefined;
  /** Callers speak TLS. */
  readonly tls: boolean;
  /** Leaves out what the file of `json` holds already. */
  readonly resume: boolean;
}

/** A command line that cannot be followed. */
export class UsageError extends Error {}

const OPTIONS = {
  json: { type: 'string' },
  seconds: { type: 'string' },
  rounds: { type: 'string' },
  quick: { type: 'boolean' },
  smoke: { type: 'boolean' },
  tls: { type: 'boolean' },
  resume: { type: 'boolean' },
  subjects: { type: 'string' },
  profile: { type: 'string' },
} as const;

/** Reads `NAME --flag ...`. Throws UsageError. */
export function parseFlags(argv: readonly string[]): { name: string | undefined; flags: Flags } {
  const { values, positionals } = read(argv);
  if (positionals.length > 1) throw new UsageError(`one bench at a time, not ${positionals.join(' and ')}`);
  const flags: Flags = {
    json: values.json,
    seconds: toNumber('seconds', values.seconds),
    rounds: toNumber('rounds', values.rounds),
    quick: values.quick === true,
    smoke: values.smoke === true,
    tls: values.tls === true,
    resume: values.resume === true,
    subjects: values.subjects?.split(',').map((name) => name.trim().toLowerCase()),
    profile: values.profile,
  };
  return { name: positionals[0], flags };
}

function read(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function toNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--${name} takes a number above 0, not "${text}"`);
  return value;
}
