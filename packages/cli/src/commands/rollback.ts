import { toJson } from '@bufbuild/protobuf';
import { RollbackResponseSchema } from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import type { Command } from 'commander';
import { openOperator, type CliContext, type GlobalOptions } from '../context.ts';
import { toPlain } from '../terminal.ts';

export function addRollbackCommand(program: Command, context: CliContext): void {
  program
    .command('rollback')
    .argument('<module>', 'name of the module')
    .argument('[version]', 'version to make current; default the one before')
    .summary('make an older module version current')
    .description(
      'Makes the version before the current one current again, or a named one, from the bits that were stored.',
    )
    .addHelpText('after', '\nExamples:\n  bascule rollback ranking\n  bascule rollback ranking 1.0.0')
    .action(async (module: string, version: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const answer = await openOperator(context, options).modules.rollback({ module, version: version ?? '' });
      const { terminal } = context;
      if (options.json === true) {
        return terminal.print(JSON.stringify(toJson(RollbackResponseSchema, answer, { alwaysEmitImplicit: true })));
      }
      const name = toPlain(`${answer.version?.module} ${answer.version?.version}`);
      terminal.print(`${terminal.paint('bold', name)} is current (before: ${toPlain(answer.previousVersion)})`);
    });
}
