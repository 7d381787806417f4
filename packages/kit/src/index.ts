export { createKit, type Kit, type KitOptions } from './kit.ts';
export { createBearerInterceptor, createTokenInterceptor } from './token.ts';
