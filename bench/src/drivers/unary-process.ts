import { answerLines, say } from './lines.ts';
import { echoProbe } from './echo-probe.ts';
import type { Probe } from './probe.ts';
import { rankProbe, voteProbe } from './ranking-probe.ts';
import { createUnaryDriver } from './unary-driver.ts';

export interface UnaryProcessOptions {
  readonly host: string;
  readonly port: number;
  readonly probe: keyof typeof PROBES;
  readonly driver: number;
  readonly keepCalls: boolean;
}

const PROBES = { echo: echoProbe, rank: rankProbe, vote: voteProbe } as const satisfies Record<string, Probe>;

type Command =
  | { readonly do: 'connect'; readonly connections: number }
  | { readonly do: 'start'; readonly perSecond?: number }
  | { readonly do: 'stop' };

/** A unary driver as its own process, told what to do by lines of JSON. */
export async function run(options: UnaryProcessOptions): Promise<void> {
  const driver = createUnaryDriver({ ...options, probe: PROBES[options.probe] });
  say({ ready: true });
  await answerLines(async (line) => {
    const command = line as Command;
    if (command.do === 'connect') await driver.connect(command.connections);
    else if (command.do === 'start') driver.start(command.perSecond);
    else return driver.stop();
    return {};
  });
}
