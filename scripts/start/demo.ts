import { resolve } from 'node:path';
import { startChild, type Child } from './child.ts';
import type { Flags } from './flags.ts';

const BASCULE = 'packages/cli/bin/bascule.mjs';
const BACKEND = 'apps/backend/src/main.ts';

export interface DemoOptions {
  readonly root: string;
  readonly flags: Flags;
  /** Absolute. */
  readonly stateDir: string;
  readonly tokenFile: string;
  /** Hears what children say, and how one ended that should not have. */
  readonly say: (name: string, line: string) => void;
  /** Called when the gateway ends by itself: nothing is left to look at. */
  readonly onGatewayEnded: (how: string) => void;
}

const REGISTRY_NEWS = /^(?:warn: )?registry: /;

/** How long the word to stop may be behind what it has already ended. */
const STOP_WORD_MS = 1_000;

/** A Ctrl-C that a child got before it could ignore it is about to reach this launcher as well. */
const stopWordTime = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, STOP_WORD_MS));

/** The processes of the demo. */
export interface Demo {
  /** Resolves when all are up; rejects when one is not. */
  readonly ready: Promise<unknown>;
  /** Process of the last backend, for whoever wants to see what happens without it. */
  readonly lastBackendPid: number | undefined;
  /** Ends them in the order in which nobody misses anybody: gateway, backends, registry. */
  stop(): Promise<void>;
  kill(): void;
}

export function startDemo(options: DemoOptions): Demo {
  const { flags, stateDir, tokenFile } = options;
  const registryUrl = `http://127.0.0.1:${flags.registryPort}`;
  let stopping = false;
  let registryUp = false;
  const say = (name: string, line: string): void => {
    // All start at once: that the gateway does not reach the registry yet is no news.
    if (registryUp || !REGISTRY_NEWS.test(line)) options.say(name, line);
  };
  const start = (name: string, args: readonly string[], onEnded: (how: string) => void): Child => {
    const child = startChild({ name, args, cwd: options.root, onLine: (line) => say(name, line) });
    void child.ended.then(async (how) => {
      await stopWordTime();
      if (!stopping) onEnded(how);
    });
    return child;
  };
  const startAgain = (name: string, args: readonly string[]) => (how: string) => {
    const command = ['node', ...args.filter((each) => !LAUNCHED.includes(each))].join(' ');
    options.say(name, `ended: ${how}. To start it again, in another terminal:\n    npx --no-install ${command}`);
  };
  const startNamed = (name: string, args: readonly string[]): Child => start(name, args, startAgain(name, args));

  const shared = ['--state-dir', stateDir, ...LAUNCHED];
  const registry = startNamed('registry', [BASCULE, 'registry', '--port', String(flags.registryPort), ...shared]);
  registry.ready.then(
    () => (registryUp = true),
    () => undefined,
  );
  const gateway = start('gateway', [...gatewayArgs(options, registryUrl), ...shared], options.onGatewayEnded);
  const backends = Array.from({ length: flags.backends }, (_, i) => {
    const name = `places-${i + 1}`;
    const registration = ['--registry', registryUrl, '--token-file', tokenFile];
    return startNamed(name, [BACKEND, '--instance-id', name, ...registration, '--exit-with-stdin']);
  });
  const all = [registry, gateway, ...backends];
  return {
    ready: Promise.all(all.map((child) => child.ready)).catch(async (error: unknown) => {
      await stopWordTime();
      throw error;
    }),
    lastBackendPid: backends.at(-1)?.pid,
    async stop() {
      stopping = true;
      await gateway.stop();
      await Promise.all(backends.map((backend) => backend.stop()));
      await registry.stop();
    },
    kill() {
      stopping = true;
      for (const child of all) child.kill();
    },
  };
}

/** What is meant for this launcher alone: to stop with its pipe, and to speak JSON. */
const LAUNCHED: readonly string[] = ['--exit-with-stdin', '--json'];

function gatewayArgs({ root, flags }: DemoOptions, registryUrl: string): string[] {
  return [
    BASCULE,
    'gateway',
    '--config',
    resolve(root, flags.config),
    '--port',
    String(flags.port),
    '--operator-port',
    String(flags.operatorPort),
    '--workers',
    String(flags.workers),
    '--registry',
    registryUrl,
  ];
}
