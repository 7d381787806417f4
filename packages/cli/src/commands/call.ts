import { createNodeTransport } from '@bascule/client';
import type { Command } from 'commander';
import { parseHeader, parseHttpUrl, parseTimeout } from '../arguments.ts';
import { findApi } from '../call/api.ts';
import { splitDocuments } from '../call/documents.ts';
import { findMethod, parseMethodName } from '../call/method.ts';
import { runCall } from '../call/run.ts';
import { openOperator, type CliContext, type GlobalOptions } from '../context.ts';
import { CliFailure, ExitCode, isUnreachable } from '../failure.ts';

interface CallOptions extends GlobalOptions {
  readonly header?: readonly (readonly [string, string])[];
  readonly api?: string;
  readonly timeout?: number;
}

const HELP = `
Types come from the gateway, so no .proto file is needed. Each answer is one line of JSON. A stream of answers is printed
as it comes, until it ends or Ctrl-C. A method that takes a stream of requests gets one for each JSON object.

Examples:
  bascule call demo.places.v1.PlacesService/Search '{"query": "ber"}'
  bascule call demo.ranking.v1.RankingService/Watch '{}' | head -3
  bascule call demo.ranking.v1.RankingService/Tally '{"candidate": {"id": 1}} {"candidate": {"id": 2}}'
  bascule call demo.places.v1.PlacesService/Search - < request.json`;

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
      const methodName = parseMethodName(name);
      const operator = openOperator(context, options);
      const { schema } = await operator.admin.getServiceSchema({ service: methodName.service });
      const known = findMethod(schema, methodName);
      const api = options.api ?? (await findApi(operator));
      const transport = createNodeTransport({ baseUrl: api, connectWaitMs: 0 });
      const stopped = new AbortController();
      context.onStop(() => stopped.abort());
      try {
        const answers = runCall({
          transport,
          known,
          documents: splitDocuments(json === '-' ? context.stdin : inline(json)),
          headers: options.header ?? [],
          timeoutMs: options.timeout,
          signal: stopped.signal,
        });
        for await (const answer of answers) context.terminal.print(JSON.stringify(answer));
      } catch (thrown) {
        if (stopped.signal.aborted) return;
        if (!isUnreachable(thrown)) throw thrown;
        const advice = 'Is the gateway still running? Another address can be named with --api.';
        throw new CliFailure(ExitCode.unreachable, `nobody takes calls at ${api}`, advice);
      } finally {
        // An open connection would keep the process alive.
        await transport.close();
      }
    });
}

async function* inline(json: string): AsyncGenerator<string> {
  yield json;
}
