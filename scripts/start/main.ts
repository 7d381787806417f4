/** The launcher behind `npm start`: makes what is stale, starts the demo's processes, and ends them in order. */
import { dirname, join, relative, resolve } from 'node:path';
import { startDemo } from './demo.ts';
import { waitForFirstCall } from './first-call.ts';
import { FlagError, HELP, parseFlags, type Flags } from './flags.ts';
import { findPortProblems } from './ports.ts';
import { preparePage, prepareStubs, prepareToken } from './preparation.ts';
import { listenForStop, type StopWords } from './stop-words.ts';

const ROOT = dirname(dirname(import.meta.dirname));
const FIRST_CALL_TIMEOUT_MS = 20_000;
const EXIT_FORCED = 130;

async function main(): Promise<number> {
  const words = listenForStop();
  const flags = parseFlags(process.argv.slice(2));
  if (flags === undefined) {
    console.log(HELP);
    return 0;
  }
  const problems = await findPortProblems([
    { port: flags.port, purpose: 'page and calls', flag: 'port' },
    { port: flags.operatorPort, purpose: "the operator's endpoint", flag: 'operator-port' },
    { port: flags.registryPort, purpose: 'the registry', flag: 'registry-port' },
  ]);
  if (problems.length > 0) {
    console.error(problems.join('\n'));
    return 1;
  }
  await prepare();
  return words.stop.aborted ? 0 : run(flags, words);
}

async function prepare(): Promise<void> {
  await prepareStubs(ROOT, () => console.log('Generating the stubs ...'));
  await preparePage(ROOT, () => console.log('Building the page ...'));
}

async function run(flags: Flags, words: StopWords): Promise<number> {
  const stateDir = resolve(ROOT, flags.stateDir);
  const tokenFile = await prepareToken(stateDir);
  const stopped = Promise.withResolvers<number>();
  words.stop.addEventListener('abort', () => stopped.resolve(0));
  console.log(`Starting the registry, the gateway, ${flags.backends} backends and the ranking module ...`);
  const demo = startDemo({
    root: ROOT,
    flags,
    stateDir,
    tokenFile,
    say: (name, line) => console.log(`${name.padEnd(9)} ${line}`),
    onGatewayEnded(how) {
      console.error(`The gateway ended: ${how}.`);
      stopped.resolve(1);
    },
  });
  words.onForce(() => {
    demo.kill();
    process.exit(EXIT_FORCED);
  });
  demo.ready
    .then(() => announce({ flags, tokenFile, backendPid: demo.lastBackendPid, signal: words.stop }))
    .catch((error: Error) => {
      if (words.stop.aborted) return;
      console.error(error.message);
      stopped.resolve(1);
    });
  const code = await stopped.promise;
  console.log('Stopping ...');
  await demo.stop();
  return code;
}

interface Announcement {
  readonly flags: Flags;
  readonly tokenFile: string;
  readonly backendPid: number | undefined;
  readonly signal: AbortSignal;
}

async function announce({ flags, tokenFile, backendPid, signal }: Announcement): Promise<void> {
  const base = `http://127.0.0.1:${flags.port}`;
  const missing = await waitForFirstCall(base, FIRST_CALL_TIMEOUT_MS, signal);
  if (signal.aborted) return;
  if (missing !== undefined) console.error(`Not all calls are served yet. ${missing}`);
  const below = relative(ROOT, tokenFile);
  const token = below.startsWith('..') ? tokenFile : below;
  const elsewhere = flags.operatorPort === 9090 ? '' : ` --operator http://127.0.0.1:${flags.operatorPort}`;
  const named = token === join('.bascule', 'token') ? '' : ` --token-file ${token}`;
  const bascule = `npx bascule${elsewhere}${named}`;
  console.log(`
  Page      ${base}/
  API       ${base} (gRPC-Web, Connect, gRPC)
  Operator  http://127.0.0.1:${flags.operatorPort} (/metrics, /healthz, /readyz; the rest with the token)
  Registry  http://127.0.0.1:${flags.registryPort}
  Token     ${token}

  Try       ${bascule} endpoints
            ${bascule} deploy apps/backend/modules/ranking-v2
            ${bascule} rollback ranking
            save a change of apps/backend/modules/ranking/judge.ts
            kill -9 ${backendPid} (backend places-${flags.backends})

Ctrl-C ends it all.`);
}

// A terminal that was closed takes no more words; that must not keep the children from ending in order.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof FlagError ? `${error.message}\n\n${HELP}` : error);
    process.exit(1);
  },
);
