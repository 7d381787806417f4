export * from './digest.ts';
export * from './facts.ts';
export { findFieldPath } from './field-path.ts';
