import { toJson } from '@bufbuild/protobuf';
import { ListEndpointsResponseSchema, type EndpointView } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import type { Command } from 'commander';
import { openOperator, type CliContext, type GlobalOptions } from '../context.ts';
import { printTable, type Column } from '../table.ts';
import type { Paint } from '../terminal.ts';

const STATE_PAINT: Readonly<Record<string, Paint>> = { ready: 'green', connecting: 'yellow', draining: 'dim' };

const COLUMNS: readonly Column<EndpointView>[] = [
  { title: 'SERVICE', text: (e) => (e.cluster === '' ? e.services.join(',') : e.cluster) },
  { title: 'INSTANCE', text: (e) => e.instanceId },
  { title: 'ADDRESS', text: (e) => e.address },
  { title: 'VERSION', text: (e) => e.moduleVersion },
  { title: 'STATE', text: (e) => e.state, paint: (e) => STATE_PAINT[e.state] },
  { title: 'SOURCE', text: (e) => e.source },
  { title: 'ZONE', text: (e) => e.zone },
  { title: 'WEIGHT', text: (e) => String(e.weight), align: 'right' },
  { title: 'OPEN', text: (e) => String(e.openCalls), align: 'right' },
  { title: 'CALLS', text: (e) => String(e.calls), align: 'right' },
  {
    title: 'FAILED',
    text: (e) => String(e.failures),
    align: 'right',
    paint: (e) => (e.failures > 0n ? 'red' : undefined),
  },
];

export function addEndpointsCommand(program: Command, context: CliContext): void {
  program
    .command('endpoints')
    .argument('[service]', 'fully qualified name, as in demo.places.v1.PlacesService; default all')
    .summary('list who answers calls')
    .description(
      'Lists the endpoints that the gateway knows, with its own view of each: state, open calls, calls, failures.',
    )
    .addHelpText('after', '\nExamples:\n  bascule endpoints\n  bascule endpoints demo.places.v1.PlacesService --json')
    .action(async (service: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const answer = await openOperator(context, options).admin.listEndpoints({ service: service ?? '' });
      if (options.json === true) {
        const json = toJson(ListEndpointsResponseSchema, answer, { alwaysEmitImplicit: true });
        return context.terminal.print(JSON.stringify(json));
      }
      if (answer.endpoints.length === 0) {
        return context.terminal.remark('No endpoint is known yet: start a backend, or deploy a module.');
      }
      printTable(context.terminal, COLUMNS, answer.endpoints);
    });
}
