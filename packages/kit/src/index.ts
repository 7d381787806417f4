export { createKit, type Kit, type KitOptions } from './kit.ts';
export { createTokenInterceptor, createTokenJudge } from './token.ts';
