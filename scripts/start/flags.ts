import { parseArgs } from 'node:util';

export interface Flags {
  readonly port: number;
  readonly operatorPort: number;
  readonly registryPort: number;
  readonly backends: number;
  readonly workers: number;
  readonly stateDir: string;
  readonly config: string;
}

/** What is wrong with the command line, for people. */
export class FlagError extends Error {}

export const HELP = `npm start [-- FLAGS]: the demo, with everything it needs

  --port N           page and calls                            (8080)
  --operator-port N  admin calls, metrics, health              (9090)
  --registry-port N  where backends register                   (7070)
  --backends N       processes that serve places, 1 to 16      (3)
  --workers N        threads of the gateway that take calls; 0 is its main thread, at most 64  (0)
  --state-dir DIR    token, module versions                    (.bascule)
  --config FILE      the gateway's configuration               (bascule.yaml)
  --help             this text
`;

/** Reads the command line; undefined asks for help. */
export function parseFlags(argv: readonly string[]): Flags | undefined {
  const values = parseOptions(argv);
  if (values.help) return undefined;
  return {
    port: toWhole('port', values.port, [1, 65_535]),
    operatorPort: toWhole('operator-port', values['operator-port'], [1, 65_535]),
    registryPort: toWhole('registry-port', values['registry-port'], [1, 65_535]),
    backends: toWhole('backends', values.backends, [1, 16]),
    workers: toWhole('workers', values.workers, [0, 64]),
    stateDir: values['state-dir'],
    config: values.config,
  };
}

function parseOptions(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string', default: '8080' },
        'operator-port': { type: 'string', default: '9090' },
        'registry-port': { type: 'string', default: '7070' },
        backends: { type: 'string', default: '3' },
        workers: { type: 'string', default: '0' },
        'state-dir': { type: 'string', default: '.bascule' },
        config: { type: 'string', default: 'bascule.yaml' },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new FlagError((error as Error).message);
  }
}

function toWhole(flag: string, text: string, [low, high]: readonly [number, number]): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : -1;
  if (value < low || value > high) throw new FlagError(`--${flag} is "${text}", but must be ${low} to ${high}`);
  return value;
}
