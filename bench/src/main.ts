import { runBench } from './bench.ts';
import { runChild } from './child.ts';

const [first, ...rest] = process.argv.slice(2);
if (first === 'child') await runChild(rest);
else await runBench(process.argv.slice(2));
