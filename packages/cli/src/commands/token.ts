import { systemClock } from '@bascule/core';
import { InvalidArgumentError, type Command } from 'commander';
import type { CliContext } from '../context.ts';
import { CliFailure, ExitCode } from '../failure.ts';
import { readFileOf } from '../secret-file.ts';

interface TokenOptions {
  readonly keyFile: string;
  readonly subject: string;
  readonly register?: readonly string[];
  readonly read?: readonly string[];
  readonly namespace?: readonly string[];
  readonly audience: string;
  readonly ttl: number;
}

const HELP = `
The registry's access file must have "jwt" with the same secret, or with the public key that belongs to this private one:
docs/registry-access.md. Patterns are a name, a beginning with "*" behind it, or "*".

Example:
  bascule token --key-file registry.secret --subject places --register 'demo.places.*' --ttl 30d > places.token`;

export function addTokenCommand(program: Command, context: CliContext): void {
  program
    .command('token')
    .summary('sign a token for a registry')
    .description('Signs a token (JWT) that says what its holder may register and read.')
    .requiredOption('--key-file <file>', 'a secret of at least 32 bytes, or a private key in PEM (RSA, P-256, Ed25519)')
    .requiredOption('--subject <name>', 'whose token it is')
    .option('--register <pattern...>', 'services that it may register')
    .option('--read <pattern...>', 'services that it may see')
    .option('--namespace <pattern...>', 'namespaces; default "default"')
    .option('--audience <name>', 'as the registry asks for it', 'bascule-registry')
    .option('--ttl <time>', 'how long it holds, as in 12h or 30d; default 24h', parseLongTime, 86_400_000)
    .addHelpText('after', HELP)
    .action(async (_options: unknown, command: Command) => {
      const options = command.opts<TokenOptions>();
      const { signRegistryToken } = await import('@bascule/discovery');
      try {
        const { register = [], read = [], namespace = ['default'], ...rest } = options;
        const grants = { register, read, namespaces: namespace };
        const key = readFileOf(context.cwd, options.keyFile);
        context.terminal.print(
          await signRegistryToken({ ...rest, grants, key, ttlMs: options.ttl, clock: systemClock }),
        );
      } catch (error) {
        if (error instanceof CliFailure) throw error;
        throw new CliFailure(ExitCode.usage, (error as Error).message, 'See bascule token --help.');
      }
    });
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_TTL_MS = 3_650 * 86_400_000;

function parseLongTime(text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const ms = Number(match?.[1] ?? 0) * (UNITS[match?.[2] ?? ''] ?? 0);
  if (ms < 1_000 || ms > MAX_TTL_MS) throw new InvalidArgumentError('It must be a time as in 90s, 15m, 12h or 30d.');
  return ms;
}
