import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JVM_FOR_TESTS } from '../jvm.ts';
import { freePortOfNacos, nacosOptions } from '../nacos-start.ts';
import { ensureJava } from './debian.ts';
import type { Recipe } from './recipe.ts';
import { run } from './run.ts';

/** Our own applications around the servers that have none to fetch; each pom.xml pins all versions. */
const PROJECTS = join(import.meta.dirname, '../../..');

/** How to start one: the arguments, in the folder where it is to be started. */
interface JavaProgram {
  readonly java: string;
  readonly cwd: string;
  readonly args: readonly string[];
}

export const EUREKA: Recipe<JavaProgram> = {
  version: '2023.0.3-2',
  locate: (folder) => startOf(folder, 'eureka'),
  async make(folder) {
    const target = await buildProject(folder, 'eureka');
    const extract = ['-Djarmode=tools', '-jar', join(target, 'eureka.jar'), 'extract', '--destination', 'app'];
    await run('java', extract, { cwd: folder });
    await archiveClasses(folder, 'eureka', ['-Dspring.context.exit=onRefresh'], ['--server.port=0']);
  },
};

export const NACOS: Recipe<JavaProgram> = {
  version: '3.1.0-2',
  locate: (folder) => startOf(folder, 'nacos'),
  async make(folder) {
    const target = await buildProject(folder, 'nacos');
    const app = join(folder, 'app');
    await mkdir(app);
    await rename(join(target, 'nacos.jar'), join(app, 'nacos.jar'));
    await rename(join(target, 'lib'), join(app, 'lib'));
    const port = await freePortOfNacos();
    const home = join(folder, 'trial');
    const options = [...nacosOptions(home), '-Dbascule.trial=true'];
    await archiveClasses(folder, 'nacos', options, [`--nacos.server.main.port=${port}`]);
    await rm(home, { recursive: true });
  },
};

/** Maven builds a copy, so that the sources stay as they are. Resolves with its folder of results. */
async function buildProject(folder: string, name: string): Promise<string> {
  await ensureJava({ withMaven: true });
  const project = join(folder, 'project');
  await cp(join(PROJECTS, name), project, { recursive: true });
  await run('mvn', ['-q', '-B', '-ntp', 'package'], { cwd: project });
  return join(project, 'target');
}

/**
 * Reading its classes is most of a start of Java; from an archive it takes a third of the time. The JVM uses that only when it is
 * started with the same paths as here: so all are relative, and `cwd` is told.
 */
async function archiveClasses(
  folder: string,
  name: string,
  options: readonly string[],
  args: readonly string[],
): Promise<void> {
  await rm(join(folder, 'project'), { recursive: true });
  const trial = [
    `-XX:ArchiveClassesAtExit=${name}.jsa`,
    ...JVM_FOR_TESTS,
    ...options,
    '-jar',
    `app/${name}.jar`,
    ...args,
  ];
  await run('java', trial, { cwd: folder });
}

function startOf(cwd: string, name: string): JavaProgram {
  return {
    java: 'java',
    cwd,
    args: [`-XX:SharedArchiveFile=${name}.jsa`, ...JVM_FOR_TESTS, '-jar', `app/${name}.jar`],
  };
}
