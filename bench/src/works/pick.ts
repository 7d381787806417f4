import { join } from 'node:path';
import { CASES, type Case } from '../pick/cases.ts';
import type { Measured, PickOptions } from '../pick/pick-process.ts';
import { startRole, SUBJECT_CORE } from '../process.ts';
import { medianOf } from '../statistics.ts';
import type { Work, WorkContext } from '../work.ts';

const SIZES = [10, 1_000, 10_000];
/** Nanoseconds of a pick, for every policy. */
const MAX_NS = 150;
/** Bytes per pick that are not of the pick: V8's own threads. */
const MAX_BYTES = 6;

/** Time and bytes per pick: of the picker alone, and with its return through a whole balancer. */
export const runPick: Work = async (context) => {
  const { flags, print } = context;
  const rounds = flags.rounds ?? (flags.smoke ? 2 : flags.quick ? 15 : 60);
  const picks = 20_000;
  const cases = CASES.filter(({ name }) => flags.subjects?.some((subject) => name.startsWith(subject)) ?? true);
  print(`${rounds} rounds of ${picks} picks, each policy in a process of its own; the fastest third counts`);
  print('alone: the picker; balancer: pick and return of a lease, with all its defaults; keys of chance\n');
  printComplexities(context, cases);
  const missed: string[] = [];
  for (const endpoints of SIZES) {
    for (const about of cases) {
      const measured = await measure(context, { name: about.name, endpoints, rounds, picks });
      addRows(context, about.name, endpoints, measured);
      if (!flags.smoke) missed.push(...judge(about.name, endpoints, measured));
    }
  }
  return missed;
};

async function measure({ folder }: WorkContext, options: PickOptions): Promise<Measured> {
  const process = startRole('pick-process', options, { logFile: join(folder, 'pick.log'), core: SUBJECT_CORE });
  const measured = (await process.ready) as unknown as Measured;
  await process.stop();
  return measured;
}

function addRows({ report }: WorkContext, subject: string, endpoints: number, measured: Measured): void {
  const add = (metric: string, unit: string, values: readonly number[]): void =>
    report.add({ work: `${endpoints} endpoints`, subject, metric, unit }, values);
  add('alone', 'ns', measured.bareNs);
  add('balancer', 'ns', measured.balancedNs);
  add('alone', 'B', [measured.bareBytes]);
  add('balancer', 'B', [measured.balancedBytes]);
  add('tables', 'ms', measured.buildMs);
  add('longest step', 'ms', measured.longestStepMs);
}

function judge(name: string, endpoints: number, measured: Measured): string[] {
  const where = `goal missed: ${name}, ${endpoints} endpoints`;
  const missed: string[] = [];
  const must = (what: string, value: number, max: number, unit: string): void => {
    if (value > max) missed.push(`${where}: ${what} takes ${value.toFixed(0)} ${unit}, not ${max} or less`);
  };
  must('a pick', medianOf(measured.bareNs), MAX_NS, 'ns');
  must('pick and return through a balancer', medianOf(measured.balancedNs), MAX_NS, 'ns');
  must('a pick', measured.bareBytes, MAX_BYTES, 'bytes');
  must('pick and return through a balancer', measured.balancedBytes, MAX_BYTES, 'bytes');
  return missed;
}

function printComplexities({ print }: WorkContext, cases: readonly Case[]): void {
  const lines = [
    ['cost of a pick', 'Bascule', 'Envoy', 'others'],
    ...cases.map(({ name, ours, envoy, others }) => [name, ours, envoy, others]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  for (const line of lines) print(line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  print('');
}
