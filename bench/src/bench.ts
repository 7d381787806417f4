import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseFlags, UsageError } from './flags.ts';
import { describeMachine } from './machine.ts';
import { endAllProcesses } from './process.ts';
import { createReport } from './report.ts';
import { formatTables } from './table.ts';
import { runBalance } from './works/balance.ts';
import { runCheck } from './works/check.ts';
import { runDiscovery } from './works/discovery.ts';
import { runFailover } from './works/failover.ts';
import { runGateway, runGatewayHttp2 } from './works/gateway.ts';
import { runIdle } from './works/idle.ts';
import { runLatency } from './works/latency.ts';
import { runModule } from './works/module.ts';
import { runPick } from './works/pick.ts';
import { runResilience } from './works/resilience.ts';
import { runServer } from './works/server.ts';
import { runStream } from './works/stream.ts';
import { runSwap } from './works/swap.ts';
import { runWire } from './works/wire.ts';
import type { Work } from './work.ts';

const WORKS: Readonly<Record<string, { about: string; run: Work }>> = {
  check: { about: 'whether the drivers see what is wrong; takes seconds', run: runCheck },
  gateway: { about: 'CPU per call, gRPC-Web over HTTP/1.1 in and gRPC out, beside Envoy and others', run: runGateway },
  'gateway-http2': { about: 'the same over HTTP/2 in; --tls with TLS', run: runGatewayHttp2 },
  latency: { about: 'latency at rates that Envoy can just carry, from the moment a call was due', run: runLatency },
  stream: { about: 'CPU per message and per MiB of server streams through a gateway', run: runStream },
  idle: { about: 'memory of open streams that carry nothing', run: runIdle },
  server: { about: 'CPU per call of serve() beside grpc-go, grpc-js and connect-node', run: runServer },
  module: { about: 'what it costs to have handlers in a worker thread', run: runModule },
  wire: { about: 'all of these, from gateway to module; --resume leaves out what --json has', run: runWire },
  swap: { about: 'versions of a module swapped under unary calls and open streams', run: runSwap },
  discovery: {
    about: 'how soon who came and who died is known, over each system; what a crowd costs',
    run: runDiscovery,
  },
  balance: { about: 'latency and failures by policy, over servers that are not alike', run: runBalance },
  pick: { about: 'time and bytes per pick of each policy, and what its tables take to build', run: runPick },
  failover: { about: 'a backend killed with -9 while calls are in flight on it', run: runFailover },
  resilience: { about: 'backends that fail in six ways, beside Envoy', run: runResilience },
};

/** The command line: names a bench, runs it, prints its tables. */
export async function runBench(argv: readonly string[]): Promise<void> {
  try {
    const { name, flags } = parseFlags(argv);
    if (name === undefined) return printNames();
    const work = WORKS[name];
    if (work === undefined) throw new UsageError(`there is no bench "${name}": ${Object.keys(WORKS).join(', ')}`);
    const folder = await mkdtemp(join(tmpdir(), 'bascule-bench-'));
    const stop = (): void => {
      endAllProcesses();
      process.exit(130);
    };
    process.once('SIGINT', stop).once('SIGTERM', stop);
    try {
      const report = createReport(await describeMachine());
      console.log(`bench ${name}: ${report.machine}, commit ${report.commit}\n`);
      const verdict = await work.run({ name, flags, folder, report, print: (line) => console.log(line) });
      console.log(formatTables(report.rows));
      for (const line of verdict) console.log(line);
      if (verdict.length > 0) process.exitCode = 1;
      if (flags.json !== undefined) await report.save(flags.json);
    } finally {
      endAllProcesses();
      await rm(folder, { recursive: true, force: true });
    }
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

function printNames(): void {
  console.log('npm run bench -- NAME [--quick] [--rounds N] [--seconds N] [--json FILE]\n');
  for (const [name, { about }] of Object.entries(WORKS)) console.log(`  ${name.padEnd(15)}${about}`);
  console.log('\nbench/README.md says what each needs, and how to read it.');
}
