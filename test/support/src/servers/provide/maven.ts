import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JVM_FOR_TESTS } from '../jvm.ts';
import { ensureJava } from './debian.ts';
import type { Recipe } from './recipe.ts';
import { run } from './run.ts';

/** Our application around Spring Cloud's Eureka server; its pom.xml pins all versions. */
const EUREKA_SOURCES = join(import.meta.dirname, '../../../eureka');

/** The JVM maps classes from the archive only when it is started with the same paths as when it was made: so both are relative. */
export const EUREKA: Recipe<{ readonly java: string; readonly cwd: string; readonly args: readonly string[] }> = {
  version: '2023.0.3-2',
  locate: (cwd) => ({
    java: 'java',
    cwd,
    args: ['-XX:SharedArchiveFile=eureka.jsa', ...JVM_FOR_TESTS, '-jar', 'app/eureka.jar'],
  }),
  async make(folder) {
    await ensureJava({ withMaven: true });
    const project = join(folder, 'project');
    await cp(EUREKA_SOURCES, project, { recursive: true });
    await run('mvn', ['-q', '-B', '-ntp', 'package'], { cwd: project });
    const extract = ['-Djarmode=tools', '-jar', 'project/target/eureka.jar', 'extract', '--destination', 'app'];
    await run('java', extract, { cwd: folder });
    await rm(project, { recursive: true });
    // Reading its classes is most of a start; this brings it from 5 s down to 2. The run ends where serving would begin.
    const trial = ['-XX:ArchiveClassesAtExit=eureka.jsa', ...JVM_FOR_TESTS, '-Dspring.context.exit=onRefresh'];
    await run('java', [...trial, '-jar', 'app/eureka.jar', '--server.port=0'], { cwd: folder });
  },
};
