import type { Command } from 'commander';
import { parseTimeout } from '../arguments.ts';
import type { CliContext } from '../context.ts';
import type { ResolveOptions } from '../resolve/run.ts';
import { addSystemOptions, createProtocolOption, parseSystemUrl } from '../system-options.ts';

const HELP = `
Asks a system once, or with --watch for as long as you like, and shows what a gateway would hear from it. Nothing is
changed by it. Systems and their URLs: docs/discovery.md.

Examples:
  bascule resolve http://127.0.0.1:7070
  bascule resolve dns+srv:///_grpc._tcp.places.example.com --service demo.places.v1.PlacesService
  bascule resolve file:endpoints.yaml --watch`;

export function addResolveCommand(program: Command, context: CliContext): void {
  const command = program
    .command('resolve')
    .argument('<url>', 'a discovery system, as in consul://127.0.0.1:8500/places')
    .summary('ask a discovery system who is there')
    .description('Asks a discovery system who is there, as a gateway does.')
    .option('--service <name...>', 'services of endpoints that do not name theirs')
    .addOption(createProtocolOption())
    .option('-t, --timeout <seconds>', 'how long to wait for the first answer; default 10', parseTimeout, 10_000)
    .option('-w, --watch', 'go on, and print each change')
    .addHelpText('after', HELP);
  addSystemOptions(command).action(async (text: string, _options: unknown, invoked: Command) => {
    // Loaded late: the other commands need none of it.
    const { runResolve } = await import('../resolve/run.ts');
    return runResolve(context, parseSystemUrl(text), invoked.optsWithGlobals<ResolveOptions>());
  });
}
