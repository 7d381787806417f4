import { copyFile, cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureJava } from './debian.ts';
import type { Recipe } from './recipe.ts';
import { run } from './run.ts';

/** Our application around Spring Cloud's Eureka server; its pom.xml pins all versions. */
const EUREKA_SOURCES = join(import.meta.dirname, '../../../eureka');

export const EUREKA: Recipe<{ readonly java: string; readonly jar: string }> = {
  version: '2023.0.3',
  locate: (folder) => ({ java: 'java', jar: join(folder, 'eureka.jar') }),
  async make(folder) {
    await ensureJava({ withMaven: true });
    const project = join(folder, 'project');
    await mkdir(folder, { recursive: true });
    await cp(EUREKA_SOURCES, project, { recursive: true });
    await run('mvn', ['-q', '-B', '-ntp', 'package'], { cwd: project });
    await copyFile(join(project, 'target/eureka.jar'), join(folder, 'eureka.jar'));
    await rm(project, { recursive: true });
  },
};
