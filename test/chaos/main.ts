/**
 * `npm run chaos`: the seeded walk and the attacks of CI, repeated. `npm run chaos -- discovery [ROW...]`: the rows of
 * discovery, repeated. `npm run chaos -- balancing`: backends that are killed, paused, restarted, more and fewer, behind one
 * gateway. Each run prints its seed, by which it can be run again; what came of all is kept in results/.
 */
const [what = '', ...rest] = process.argv.slice(2);
const print = (line: string): void => console.log(line);

if (what === 'discovery') {
  const { runAll } = await import('./discovery/run-all.ts');
  await runAll(rest, print);
} else if (what === 'balancing') {
  const { runAll } = await import('./balancing/run-all.ts');
  await runAll(rest, print);
} else if (what === 'run-balancing') {
  const { runOne } = await import('./balancing/run-all.ts');
  await runOne(rest, print);
} else if (what === 'balancing-backend') {
  const { runBackend } = await import('./balancing/backend-process.ts');
  await runBackend(JSON.parse(rest[0] ?? '{}'));
} else if (what === 'run') {
  const { runOne } = await import('./discovery/run-all.ts');
  await runOne(rest, print);
} else if (what === 'backend') {
  const { runBackend } = await import('./discovery/backend-process.ts');
  await runBackend(JSON.parse(rest[0] ?? '{}'));
} else {
  const { runWalks } = await import('./walks.ts');
  runWalks(process.argv.slice(2), print);
}
