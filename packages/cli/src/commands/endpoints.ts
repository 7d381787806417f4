import { toJson } from '@bufbuild/protobuf';
import { ListEndpointsResponseSchema } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import type { Command } from 'commander';
import { openOperator, type CliContext, type GlobalOptions } from '../context.ts';
import { printEndpoints } from '../endpoints/print.ts';
import { watchEndpoints } from '../endpoints/watch.ts';

interface EndpointsOptions extends GlobalOptions {
  readonly watch?: boolean;
}

const HELP = `
States: ready takes calls; connecting, failing and draining do not, nor does ejected, whose calls failed; probing gets one
call at a time; absent takes calls though its source does not know it any more, since it still answers. CAUSE says why, and SINCE for how long. The last that left are listed with the reason.

Examples:
  bascule endpoints
  bascule endpoints demo.places.v1.PlacesService --json
  bascule endpoints --watch`;

export function addEndpointsCommand(program: Command, context: CliContext): void {
  program
    .command('endpoints')
    .argument('[service]', 'fully qualified name, as in demo.places.v1.PlacesService; default all')
    .summary('list who answers calls')
    .description(
      'Lists the endpoints that the gateway knows: where from, in which state, why and since when, with their calls.',
    )
    .option('-w, --watch', 'go on, and print each change as it comes')
    .addHelpText('after', HELP)
    .action(async (service: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<EndpointsOptions>();
      const { admin } = openOperator(context, options);
      if (options.watch === true) return watchEndpoints(context, options, { admin, service: service ?? '' });
      const answer = await admin.listEndpoints({ service: service ?? '' });
      if (options.json === true) {
        const json = toJson(ListEndpointsResponseSchema, answer, { alwaysEmitImplicit: true });
        return context.terminal.print(JSON.stringify(json));
      }
      printEndpoints(context.terminal, answer);
    });
}
