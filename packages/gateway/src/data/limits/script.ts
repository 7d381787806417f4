import type { RateLimit } from '@bascule/core';

/**
 * Takes from each bucket in KEYS, by Redis's own clock, so that gateways whose clocks differ agree. ARGV holds for each the
 * microseconds of one call and of the whole bucket; a bucket of 0 gives one call back. A bucket is when it is full again,
 * and goes by itself then. Answers with the microseconds that are left in it, or how many are missing, below 0.
 */
export const TAKE_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answers = {}
for i, key in ipairs(KEYS) do
  local step = tonumber(ARGV[2 * i - 1])
  local depth = tonumber(ARGV[2 * i])
  local full = tonumber(redis.call('GET', key) or now)
  local left
  if depth == 0 then
    left = 0
    full = full - step
  else
    full = math.max(full, now) + step
    left = now + depth - full
  end
  if left >= 0 then
    if full > now then
      redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
    else
      redis.call('DEL', key)
    end
  end
  answers[i] = left
end
return answers
`;

/** Microseconds that one call takes from a bucket. */
export function stepMicros(limit: RateLimit): number {
  return Math.max(1, Math.round(1_000_000 / limit.perSecond));
}
