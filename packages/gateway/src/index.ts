export { readOrCreateToken } from './admin/token.ts';
export { createOperatorService, type OperatorServiceOptions } from './admin/operator-service.ts';
export type { SettingsOverrides } from './config/settings-types.ts';
export { createRedisLimits, type RedisLimits, type RedisLimitsOptions } from './data/limits/redis-limits.ts';
export { ConfigRefused, startGateway, type Gateway, type GatewayOptions } from './gateway.ts';
export type { Log, LogEvent } from './log.ts';
