import { readMessages } from './framing.ts';

/** Answers each message of the suite, at most `maxRunning` of them at once; resolves when all of them are answered. */
export async function answerEach(maxRunning: number, answer: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const running = new Set<Promise<void>>();
  for await (const bytes of readMessages(process.stdin)) {
    if (running.size >= maxRunning) await Promise.race(running);
    const answered = answer(bytes).finally(() => running.delete(answered));
    running.add(answered);
  }
  await Promise.all(running);
}
