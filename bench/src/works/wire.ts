import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createReport, type SavedReport } from '../report.ts';
import type { Flags } from '../flags.ts';
import type { Work } from '../work.ts';
import { runGateway, runGatewayHttp2 } from './gateway.ts';
import { runIdle } from './idle.ts';
import { runLatency } from './latency.ts';
import { runModule } from './module.ts';
import { runServer } from './server.ts';
import { runStream } from './stream.ts';

interface Part {
  readonly name: string;
  readonly run: Work;
  readonly flags?: Partial<Flags>;
}

/** Lengths that make twelve minutes of all. A part is what `--resume` can leave out. */
const PARTS: readonly Part[] = [
  { name: 'gateway-http2', run: runGatewayHttp2, flags: { rounds: 5, seconds: 1.5 } },
  { name: 'gateway-tls', run: runGatewayHttp2, flags: { rounds: 5, seconds: 1.5, tls: true } },
  { name: 'gateway', run: runGateway, flags: { rounds: 5, seconds: 2 } },
  { name: 'latency', run: runLatency, flags: { rounds: 5, seconds: 2.5 } },
  { name: 'stream', run: runStream, flags: { rounds: 5, seconds: 0.8 } },
  { name: 'idle', run: runIdle, flags: { rounds: 5, seconds: 4 } },
  { name: 'server', run: runServer, flags: { rounds: 5, seconds: 0.8 } },
  { name: 'module', run: runModule, flags: { rounds: 5, seconds: 2 } },
];

/** Every bench of the wire, one after the other; what is done is saved at once. */
export const runWire: Work = async (context) => {
  const { flags, folder, print, report } = context;
  const earlier = flags.resume ? await readEarlier(flags.json) : undefined;
  const isSame = earlier?.machine === report.machine && earlier.commit === report.commit;
  if (earlier !== undefined && !isSame) print(`${flags.json} is of another machine or commit: nothing of it is kept\n`);
  const verdict: string[] = [];
  for (const { name, run, flags: own } of PARTS) {
    const done = isSame ? earlier.benches?.find((each) => each.name === name) : undefined;
    if (done !== undefined && isSame) {
      print(`--- ${name}: taken from ${flags.json}\n`);
      report.adopt(name, earlier.rows, done.verdict);
      verdict.push(...done.verdict);
      continue;
    }
    print(`--- ${name}\n`);
    const home = join(folder, name);
    await mkdir(home);
    // Its own lengths, unless somebody asks for others.
    const chosen = Object.fromEntries(
      Object.entries(flags).filter(([, value]) => value !== undefined && value !== false),
    );
    const isShort = flags.smoke || flags.quick;
    const partFlags = { ...flags, ...(isShort ? { tls: own?.tls ?? false } : own), ...chosen };
    const part = createReport(report);
    const missed = await run({ ...context, name, folder: home, flags: partFlags, report: part });
    report.adopt(name, part.rows, missed);
    verdict.push(...missed);
    if (flags.json !== undefined) await report.save(flags.json);
  }
  return verdict;
};

async function readEarlier(file: string | undefined): Promise<SavedReport | undefined> {
  if (file === undefined) throw new Error('--resume needs --json FILE: what is in that file is left out');
  try {
    return JSON.parse(await readFile(file, 'utf8')) as SavedReport;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
