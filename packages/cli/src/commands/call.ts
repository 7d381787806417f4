import type { Command } from 'commander';
import { parseHeader, parseHttpUrl, parseTimeout } from '../arguments.ts';
import { openCall, type CallOptions } from '../call/open-call.ts';
import { runCall } from '../call/run.ts';
import type { CliContext } from '../context.ts';
import { CliFailure, ExitCode, isUnreachable } from '../failure.ts';

const HELP = `
Types come from the gateway, so no .proto file is needed. Each answer is one line of JSON. A stream of answers is printed
as it comes, until it ends or Ctrl-C. A method that takes a stream of requests gets one for each JSON object.

Examples:
  bascule call demo.places.v1.PlacesService/Search '{"query": "ber"}'
  bascule call demo.ranking.v1.RankingService/Watch '{}' | head -3
  bascule call demo.ranking.v1.RankingService/Tally '{"candidate": {"id": 1}} {"candidate": {"id": 2}}'
  bascule call demo.places.v1.PlacesService/Search - < request.json

A gateway that listens with TLS must have a certificate of the name in --api, by an authority that Node knows;
NODE_EXTRA_CA_CERTS=ca.pem adds one of your own.
  bascule call demo.places.v1.PlacesService/Search --api https://api.example.com`;

export function addCallCommand(program: Command, context: CliContext): void {
  program
    .command('call')
    .argument('<service/method>', 'as in demo.places.v1.PlacesService/Search')
    .argument(
      '[json]',
      'request in the JSON form of its message; several for a stream of requests; - reads standard input',
      '{}',
    )
    .summary('make a call')
    .description('Makes a call through the gateway, of any kind, and prints the answers as JSON.')
    .option('-H, --header <name: value>', 'a header to send; may be repeated', parseHeader)
    .option('--api <url>', "where calls go in; default the gateway's own word for it", parseHttpUrl)
    .option('-t, --timeout <seconds>', 'deadline of the call', parseTimeout)
    .addHelpText('after', HELP)
    .action(async (name: string, json: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CallOptions>();
      const { run, transport, baseUrl, stopped } = await openCall(context, options, { name, json });
      try {
        for await (const answer of runCall(run)) context.terminal.print(JSON.stringify(answer));
      } catch (thrown) {
        if (stopped.aborted) return;
        if (!isUnreachable(thrown)) throw thrown;
        const advice = 'Is the gateway still running? Another address can be named with --api.';
        throw new CliFailure(ExitCode.unreachable, `nobody takes calls at ${baseUrl}`, advice);
      } finally {
        await transport.close();
      }
    });
}
