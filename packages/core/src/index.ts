export * from './clock.ts';
export * from './context.ts';
export * from './endpoint.ts';
export * from './errors.ts';
export * from './fields.ts';
export * from './kept-bytes.ts';
export * from './outcome.ts';
export * from './service.ts';
