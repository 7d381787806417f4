import { parseSystemUrl as parseUrl, type Credentials } from '@bascule/discovery';
import { Option, type Command } from 'commander';
import type { CliContext, GlobalOptions } from './context.ts';
import { CliFailure, ExitCode } from './failure.ts';
import { readFileOf } from './secret-file.ts';
import { findToken } from './token-file.ts';

/** How a discovery system is reached, beside its URL. */
export interface SystemOptions extends GlobalOptions {
  readonly user?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** Adds what systems may ask for. Secrets come from files only: a command line is seen by everybody. */
export function addSystemOptions(command: Command): Command {
  return command
    .option('--user <name>', 'name for systems that ask for one')
    .option('--password-file <file>', 'file with the password')
    .option('--ca-file <file>', 'authorities to trust instead of those of the machine, in PEM')
    .option('--cert-file <file>', 'certificate to show, in PEM')
    .option('--key-file <file>', 'its key, in PEM');
}

/** `--protocol`, for endpoints that do not say themselves what they speak. */
export function createProtocolOption(): Option {
  return new Option('--protocol <name>', 'what endpoints speak that do not say it')
    .choices(['grpc', 'grpc-web', 'grpc-web+http1', 'connect', 'connect+http1'])
    .default('grpc');
}

const OURS = new Set(['http:', 'https:']);
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

/**
 * What the options name. A token of the environment is one of ours, and goes to registries alone; that of the nearest
 * state folder goes to one on this machine, and nowhere else.
 */
export function readCredentials(context: CliContext, options: SystemOptions, url: URL): Credentials {
  const read = (file: string): string => readFileOf(context.cwd, file);
  const isOurs = OURS.has(url.protocol);
  const token = findToken({
    file: options.tokenFile,
    env: isOurs ? context.env : {},
    cwd: context.cwd,
    search: isOurs && LOOPBACK.has(url.hostname),
  });
  const tls = {
    ...(options.caFile !== undefined && { ca: read(options.caFile) }),
    ...(options.certFile !== undefined && { cert: read(options.certFile) }),
    ...(options.keyFile !== undefined && { key: read(options.keyFile) }),
  };
  return {
    ...(token !== undefined && { token }),
    ...(options.user !== undefined && { username: options.user }),
    ...(options.passwordFile !== undefined && { password: read(options.passwordFile).replace(/\r?\n$/, '') }),
    ...(Object.keys(tls).length > 0 && { tls }),
  };
}

/** A URL of a system, as in `consul://127.0.0.1:8500`. */
export function parseSystemUrl(text: string): URL {
  try {
    return parseUrl(text);
  } catch {
    const advice = 'Write it as in http://127.0.0.1:7070 or dns:///places.example.com:8080.';
    throw new CliFailure(ExitCode.usage, `"${text}" names no discovery system`, advice);
  }
}

const SYSTEMS_ADVICE = 'docs/discovery.md lists the systems and their URLs.';

/** Runs `open`; what is wrong with a URL is a wrong command line. */
export async function explainSpec<T>(open: () => Promise<T>, advice = SYSTEMS_ADVICE): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'SpecError') throw error;
    throw new CliFailure(ExitCode.usage, error.message, advice);
  }
}
