export type { DeployInput, DeployResult, DeployTimings } from './deploy.ts';
export type { ModuleLimits } from './limits.ts';
export type { LogEvent } from './log.ts';
export { createModules, type Modules, type ModulesOptions } from './modules.ts';
export type { ModuleGroup } from './publisher.ts';
export { ModuleRefused } from './refusal.ts';
export type { VersionState, VersionView } from './version-view.ts';
export { watchFolder, type Watch, type WatchOptions } from './watch.ts';
