export { createKit, type Kit, type KitOptions } from './kit.ts';
export { createBearerInterceptor, createTokenInterceptor, createTokenJudge } from './token.ts';
