import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CliFailure, ExitCode } from './failure.ts';

export interface TokenPlace {
  /** From `--token-file`. */
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** The operator's token: named file, BASCULE_TOKEN, BASCULE_TOKEN_FILE, then the nearest `.bascule/token`. */
export function readToken({ file, env, cwd }: TokenPlace): string {
  const inEnvironment = env['BASCULE_TOKEN'];
  if (file === undefined && inEnvironment !== undefined && inEnvironment !== '') return inEnvironment;
  const named = file ?? env['BASCULE_TOKEN_FILE'];
  if (named !== undefined && named !== '') return readTokenFile(named);
  const found = findTokenFile(cwd);
  if (found !== undefined) return readTokenFile(found);
  throw new CliFailure(
    ExitCode.unauthorised,
    `no token: there is no .bascule/token in ${cwd} or above`,
    'Run the command in the folder of a gateway that was started once, or name the file with --token-file.',
  );
}

/** The same, but it may be that there is none. The nearest state folder is looked for only with `search`. */
export function findToken({ search, ...place }: TokenPlace & { readonly search: boolean }): string | undefined {
  const { file, env, cwd } = place;
  const isNamed = [file, env['BASCULE_TOKEN'], env['BASCULE_TOKEN_FILE']].some(
    (name) => name !== undefined && name !== '',
  );
  return isNamed || (search && findTokenFile(cwd) !== undefined) ? readToken(place) : undefined;
}

function readTokenFile(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new CliFailure(
      ExitCode.unauthorised,
      `the token file ${file} cannot be read (${code})`,
      'Name another with --token-file.',
    );
  }
  // Anything else could not stand in a header, and the failure would come late and odd.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new CliFailure(ExitCode.unauthorised, `the file ${file} holds no token`, 'Name another with --token-file.');
}

/** The nearest folder upwards that is a gateway's: it has a state folder, or a configuration. */
function findTokenFile(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.bascule')) || existsSync(join(folder, 'bascule.yaml'))) {
      const file = join(folder, '.bascule', 'token');
      if (existsSync(file)) return file;
    }
    if (dirname(folder) === folder) return undefined;
  }
}
