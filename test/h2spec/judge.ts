import { execFile } from 'node:child_process';
import { goTool } from '@bascule/testing/go-tool';

/** What h2spec says of one listener. */
export interface Verdict {
  readonly passed: number;
  readonly skipped: number;
  readonly failed: number;
  /** Its whole report, for people. */
  readonly report: string;
}

export interface JudgedListener {
  readonly port: number;
  readonly tls: boolean;
  /** Must be answered with content: several cases need an answer that a small window holds back. */
  readonly path: string;
}

/** How long one case may wait for an answer, in seconds: some pass only by the end of a connection. */
const CASE_TIMEOUT_S = 3;

/** Runs every case of h2spec (RFC 9113's predecessor, strict) against a listener on the loopback address. */
export async function judgeByH2spec({ port, tls, path }: JudgedListener): Promise<Verdict> {
  const program = await goTool('h2spec');
  const to = ['-S', '-h', '127.0.0.1', '-p', String(port), '-P', path, '-o', String(CASE_TIMEOUT_S)];
  const report = await run(program, tls ? [...to, '-t', '-k'] : to);
  const counts = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(report);
  if (counts === null) throw new Error(`h2spec gave no verdict:\n${report}`);
  const [passed, skipped, failed] = counts.slice(2).map(Number) as [number, number, number];
  return { passed, skipped, failed, report };
}

/** A case that fails makes it exit with 1: the report says more. */
function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, { maxBuffer: 1 << 24 }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}
