export * from './digest.ts';
export * from './facts.ts';
export { rulesOf } from './rules.ts';
