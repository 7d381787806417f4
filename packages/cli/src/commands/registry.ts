import type { Command } from 'commander';
import { Option } from 'commander';
import { parsePort } from '../arguments.ts';
import type { CliContext } from '../context.ts';
import type { RegistryOptions } from '../registry/run.ts';

const HELP = `
Backends register here and keep their lease alive; gateways watch. It keeps nothing on disk but the token: when it starts
anew, everybody registers again, and gateways keep what they know meanwhile. Several registries know nothing of each
other: name them all to backends and gateways.

The token of the state folder may do everything. --access names a file that says who else may register and read what, by
token, JWT or client certificate: docs/registry-access.md.

Examples:
  bascule registry --port 7070
  bascule registry --host 0.0.0.0 --access access.yaml --cert-file tls.crt --key-file tls.key`;

export function addRegistryCommand(program: Command, context: CliContext): void {
  program
    .command('registry')
    .summary('run a registry of its own')
    .description('Runs a registry apart from the gateway. Whoever may register gets calls, so it asks for a token.')
    .addOption(new Option('--port <number>', '0 takes a free one').default(7070).argParser(parsePort))
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--state-dir <folder>', 'folder of the token', '.bascule')
    .option('--access <file>', 'who else may do what')
    .addOption(
      new Option('--open [to]', 'ask nobody for a token; on an address that others reach, "to-everybody"').choices([
        'to-everybody',
      ]),
    )
    .option('--cert-file <file>', 'certificate in PEM; with it the port speaks TLS only')
    .option('--key-file <file>', 'its key in PEM')
    .option('--client-ca-file <file>', 'authorities of callers that show a certificate, in PEM')
    .option('--exit-with-stdin', 'stop when standard input ends, for launchers')
    .addHelpText('after', HELP)
    .action(async (_options: unknown, command: Command) => {
      // Loaded late: the other commands need none of it.
      const { runRegistry } = await import('../registry/run.ts');
      return runRegistry(context, command.optsWithGlobals<RegistryOptions>());
    });
}
