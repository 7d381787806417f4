export * from './digest.ts';
export * from './facts.ts';
export { rulesOf, type SchemaRules } from './rules.ts';
