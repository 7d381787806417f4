import { Command, Option } from 'commander';
import { parseHttpUrl } from './arguments.ts';
import { addCallCommand } from './commands/call.ts';
import { addDeployCommand } from './commands/deploy.ts';
import { addEndpointsCommand } from './commands/endpoints.ts';
import { addExplainCommand } from './commands/explain.ts';
import { addGatewayCommand } from './commands/gateway.ts';
import { addRegisterCommand } from './commands/register.ts';
import { addRegistryCommand } from './commands/registry.ts';
import { addResolveCommand } from './commands/resolve.ts';
import { addRollbackCommand } from './commands/rollback.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTokenCommand } from './commands/token.ts';
import { addVersionsCommand } from './commands/versions.ts';
import type { CliContext } from './context.ts';

const DEFAULT_OPERATOR = 'http://127.0.0.1:9090';

const EPILOGUE = `
Examples:
  bascule endpoints                       who answers calls, and how they do
  bascule deploy modules/ranking          make a folder the current version of its module
  bascule rollback ranking                back to the version before
  bascule call demo.places.v1.PlacesService/Search '{"query": "ber"}'
  bascule explain demo.places.v1.PlacesService/Search
                                          why a call goes where it goes
  bascule register --service a.B --address 127.0.0.1:5001 -- ./backend
                                          run any program and register it
  bascule resolve consul://127.0.0.1:8500 who a discovery system says is there

Exit codes:
  0  done
  1  refused, or the call failed
  2  wrong command line, configuration or request
  3  no gateway, or no discovery system, answers
  4  not authorised: no token, or the wrong one

Environment:
  BASCULE_OPERATOR     URL of the operator's listener, as --operator
  BASCULE_TOKEN        the token itself
  BASCULE_TOKEN_FILE   a file with the token, as --token-file
  NO_COLOR             no colours`;

/** The whole command line. */
export function createProgram(context: CliContext): Command {
  const program = new Command('bascule')
    .description(
      'Runs and steers Bascule: typed calls from the browser, with handlers that are swapped while calls run.',
    )
    .addOption(
      new Option('--operator <url>', "the gateway's operator listener")
        .default(DEFAULT_OPERATOR)
        .env('BASCULE_OPERATOR')
        .argParser(parseHttpUrl),
    )
    .option(
      '--token-file <file>',
      "file with the operator's token (default: the nearest .bascule/token, here or above)",
    )
    .option('--json', 'print JSON for machines, errors too')
    .addHelpText('after', EPILOGUE)
    .showHelpAfterError('Try --help.')
    .configureHelp({ showGlobalOptions: true })
    // Throws instead of ending the process: results must be written out first.
    .exitOverride();
  for (const add of COMMANDS) add(program, context);
  return program;
}

const COMMANDS = [
  addEndpointsCommand,
  addVersionsCommand,
  addDeployCommand,
  addRollbackCommand,
  addCallCommand,
  addExplainCommand,
  addStatusCommand,
  addGatewayCommand,
  addRegistryCommand,
  addRegisterCommand,
  addResolveCommand,
  addTokenCommand,
] as const;
