import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const SHOWN = 50;

/** Where a process spent its time: the functions with the most time of their own, of the newest profile in a folder. */
export async function summariseProfile(folder: string): Promise<string> {
  // Their names begin with day and time.
  const name = (await readdir(folder))
    .filter((each) => each.endsWith('.cpuprofile'))
    .toSorted()
    .at(-1);
  if (name === undefined) return `no profile in ${folder}`;
  const profile = JSON.parse(await readFile(join(folder, name), 'utf8')) as Profile;
  const functions = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  let total = 0;
  profile.samples.forEach((id, i) => {
    const name = functions.get(id) ?? '';
    const time = profile.timeDeltas[i] ?? 0;
    if (name === '(idle) ') return;
    total += time;
    times.set(name, (times.get(name) ?? 0) + time);
  });
  const lines = [...times].toSorted((a, b) => b[1] - a[1]).slice(0, SHOWN);
  return lines.map(([name, time]) => `${((time / total) * 100).toFixed(1).padStart(5)} %  ${name}`).join('\n');
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const place = url.replace(/^.*\/(packages|node_modules)\//, '');
  return `${functionName || '(anonymous)'} ${place === '' ? '' : `${place}:${lineNumber + 1}`}`;
}
