export type {
  RefusedCall,
  ServeCalls,
  ServerCachePolicy,
  ServerCallKey,
  ServerCallLimits,
  ServerCallPolicy,
  ServerRateLimit,
} from './calls/options.ts';
export type { RegistrationEvent, ServeOptions, ServerEvent, ServeRegistry } from './options.ts';
export { serve, type Server } from './serve.ts';
