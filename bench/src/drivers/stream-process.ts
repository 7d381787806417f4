import { answerLines, say } from './lines.ts';
import { createStreamDriver, type StreamDriverOptions } from './stream-driver.ts';

type Command =
  | { readonly do: 'open'; readonly count: number; readonly lifetimeMs?: number }
  | { readonly do: 'report' }
  | { readonly do: 'end' };

/** A stream driver as its own process, told what to do by lines of JSON. */
export async function run(options: StreamDriverOptions): Promise<void> {
  const driver = createStreamDriver(options);
  say({ ready: true });
  await answerLines(async (line) => {
    const command = line as Command;
    if (command.do === 'end') return driver.end();
    if (command.do === 'open') driver.open(command.count, command.lifetimeMs);
    return driver.report();
  });
}
