import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { CliFailure, ExitCode } from './failure.ts';

/** What a file holds that an option names. Throws a CliFailure that names it. */
export function readFileOf(cwd: string, name: string): string {
  const file = resolve(cwd, name);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new CliFailure(ExitCode.usage, `${file} cannot be read (${code})`, 'Name another file.');
  }
}
