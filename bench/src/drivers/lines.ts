import { createInterface } from 'node:readline';

/** Writes one line of JSON to whoever started this process. */
export function say(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Answers each line of JSON on standard input with one, in order. Its end ends the process: nothing outlives its bench. */
export async function answerLines(answer: (command: unknown) => Promise<object>): Promise<void> {
  // As above: a profile is written at an end of one's own only.
  process.once('SIGTERM', () => process.exit(0));
  for await (const line of createInterface({ input: process.stdin })) say(await answer(JSON.parse(line)));
  process.exit(0);
}
