import { readFileSync } from 'node:fs';

/** Linux reports times in ticks of a hundredth of a second, whatever its own clock (USER_HZ). */
const MICROSECONDS_PER_TICK = 10_000;

/** User and system time that a process has used with all its threads, the ended ones too. */
export function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name in brackets may hold spaces; the fields behind it cannot. See proc_pid_stat(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])];
  return (userTicks + systemTicks) * MICROSECONDS_PER_TICK;
}

/** Memory of a process that is in RAM, in MiB. */
export function residentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) / 1024;
}
