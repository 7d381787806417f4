export * from './fuzz.ts';
export * from './granting-later.ts';
export * from './recorder.ts';
export * from './samples.ts';
export * from './service-contract.ts';
