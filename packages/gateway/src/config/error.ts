import type { RuleProblem } from './rules.ts';

/** One thing that is wrong with a configuration file. Plain data, for people first. */
export interface ConfigError {
  /** The file as the operator named it. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1. */
  readonly column: number;
  /** Where in the message, as in `listener.port` or `services["demo.v1.Places"].policy`; empty for the file as a whole. */
  readonly field: string;
  /** What is wrong, as the rest of a sentence that begins with the field. */
  readonly message: string;
  /** What to do about it. */
  readonly advice: string;
}

/** Settings that hold every rule and cannot be put in place all the same, as an address that no system answers to. */
export class SettingsRefused extends Error {
  override readonly name = 'SettingsRefused';
  readonly problem: RuleProblem;

  constructor(problem: RuleProblem) {
    super(`${formatPath(problem.path)}: ${problem.message}. ${problem.advice}`);
    this.problem = problem;
  }
}

/** Steps from the message's root: JSON names of fields, keys of maps, indexes of lists. */
export type ConfigPath = readonly (string | number)[];

/** `bascule.yaml:3:9 listener.port: must be at most 65535 (got 70000). Choose ...` */
export function formatConfigError(error: ConfigError): string {
  const place = `${error.file}:${error.line}:${error.column}`;
  const field = error.field === '' ? '' : ` ${error.field}:`;
  const advice = error.advice === '' ? '' : ` ${error.advice}`;
  return `${place}${field} ${error.message}.${advice}`;
}

/** A path as people write it. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

const SHOWN_CHARACTERS = 60;

/** A value as it stands in an error, short enough for one line. */
export function showValue(value: unknown): string {
  // Numbers that JSON does not have would show as null.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
}
