export * from './digest.ts';
export * from './facts.ts';
