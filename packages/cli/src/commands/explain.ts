import { ConnectError } from '@connectrpc/connect';
import type { Command } from 'commander';
import { parseHeader, parseHttpUrl, parseTimeout } from '../arguments.ts';
import { openCall, type CallOptions } from '../call/open-call.ts';
import { runCall } from '../call/run.ts';
import { readOperatorToken, type CliContext } from '../context.ts';
import { printExplanation } from '../explain/print.ts';
import { createExplanationReader } from '../explain/run.ts';
import { CliFailure, ExitCode } from '../failure.ts';

interface ExplainOptions extends CallOptions {
  readonly call?: boolean;
}

const HELP = `
Without --call nothing is called: the gateway says which endpoint it would have taken. Message and headers matter, since
limits, routes and affinity may go by them. With --call the call is made, with all its retries.

Examples:
  bascule explain demo.places.v1.PlacesService/Search
  bascule explain demo.places.v1.PlacesService/Search '{"query": "ber"}' --call
  bascule explain demo.places.v1.PlacesService/Search -H 'x-user: 7'`;

export function addExplainCommand(program: Command, context: CliContext): void {
  program
    .command('explain')
    .argument('<service/method>', 'as in demo.places.v1.PlacesService/Search')
    .argument('[json]', 'request in the JSON form of its message; - reads standard input', '{}')
    .summary('say why a call goes where it goes')
    .description('Says which endpoint a call gets and why, who was not asked and why, and how each attempt ended.')
    .option('-H, --header <name: value>', 'a header to send; may be repeated', parseHeader)
    .option('--api <url>', "where calls go in; default the gateway's own word for it", parseHttpUrl)
    .option('-t, --timeout <seconds>', 'deadline of the call', parseTimeout)
    .option('--call', 'make the call')
    .addHelpText('after', HELP)
    .action(async (name: string, json: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ExplainOptions>();
      const reader = createExplanationReader();
      const { run, transport, baseUrl, stopped } = await openCall(context, options, {
        name,
        json,
        headers: [
          ['bascule-explain', options.call === true ? '1' : 'dry-run'],
          ['bascule-explain-token', readOperatorToken(context, options)],
        ],
        interceptors: [reader.interceptor],
      });
      try {
        for await (const _answer of runCall(run));
      } catch (thrown) {
        if (stopped.aborted) return;
        // How it ended is part of the explanation.
        if (!(thrown instanceof ConnectError) || reader.explanation() === undefined) throw thrown;
      } finally {
        await transport.close();
      }
      const explanation = reader.explanation();
      if (explanation === undefined) {
        const advice = 'Its configuration may say "observe: {explain: EXPLAIN_OFF}".';
        throw new CliFailure(ExitCode.failed, `the gateway at ${baseUrl} explains nothing`, advice);
      }
      if (options.json === true) context.terminal.print(JSON.stringify(explanation));
      else printExplanation(context.terminal, explanation);
    });
}
