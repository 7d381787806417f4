export type { RegistrationEvent, ServeOptions, ServerEvent, ServeRegistry } from './options.ts';
export { serve, type Server } from './serve.ts';
