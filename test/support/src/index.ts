export * from './fuzz.ts';
export * from './recorder.ts';
export * from './service-contract.ts';
