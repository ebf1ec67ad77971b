/**
 * Leases: a sorted set of gateway ids by the time their lease ends, and a hash with the last renewal of each
 * (`renewedAtMs|info`). A lease that has ended stays for 30 days: it says when its agents were last seen. One that was
 * dropped ended when it was renewed last.
 */
const NOW_LUA = `
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function integer(number) return string.format('%.0f', number) end
`;
/**
 * A Redis without memory refuses a script whose first write could take some, and lets it go on once it has written.
 * What keeps a gateway alive or gives memory back must not be refused.
 */
export const WITHOUT_MEMORY_LUA = (key: string): string => `redis.call('HDEL', ${key}, '')\n`;
const ENDED_LUA = `
local function isDropped(gateway, endsAt)
  local renewal = redis.call('HGET', KEYS[2], gateway)
  return not renewal or tonumber(string.match(renewal, '^%d+')) >= tonumber(endsAt)
end
`;

/**
 * KEYS[1] the sorted set, KEYS[2] the hash; ARGV[1] gatewayId, ARGV[2] ttl in ms, ARGV[3] info.
 * Returns 'renewed'; 'lapsed' when it had ended, and holds again; or 'dropped'. Also forgets a few leases that ended more
 * than 30 days ago.
 */
export const RENEW_LUA = `${NOW_LUA}
${WITHOUT_MEMORY_LUA('KEYS[2]')}
${ENDED_LUA}
local result, endsAt = 'renewed', redis.call('ZSCORE', KEYS[1], ARGV[1])
if endsAt and tonumber(endsAt) <= nowMs then
  if isDropped(ARGV[1], endsAt) then return 'dropped' end
  result = 'lapsed'
end
redis.call('ZADD', KEYS[1], integer(nowMs + tonumber(ARGV[2])), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], integer(nowMs) .. '|' .. ARGV[3])
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', integer(nowMs - 2592000000), 'LIMIT', 0, 20)) do
  redis.call('ZREM', KEYS[1], old)
  redis.call('HDEL', KEYS[2], old)
end
return result
`;

/** KEYS as above; ARGV[1] gatewayId. The lease ends now. */
export const DROP_LUA = `${NOW_LUA}
${WITHOUT_MEMORY_LUA('KEYS[2]')}
local renewal = redis.call('HGET', KEYS[2], ARGV[1])
if not renewal then return 0 end
local endsAt = redis.call('ZSCORE', KEYS[1], ARGV[1])
if tonumber(endsAt) <= nowMs then return 0 end
redis.call('ZADD', KEYS[1], integer(nowMs), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], integer(nowMs) .. string.match(renewal, '|.*$'))
return 1
`;

/** KEYS as above. Returns the live leases as {gatewayId, remainingMs, info} each. */
export const LIVE_LUA = `${NOW_LUA}
local live = {}
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. integer(nowMs), '+inf', 'WITHSCORES')
for i = 1, #found, 2 do
  local renewal = redis.call('HGET', KEYS[2], found[i])
  live[#live + 1] = { found[i], integer(tonumber(found[i + 1]) - nowMs), string.match(renewal, '|(.*)$') }
end
return live
`;

/** KEYS as above; ARGV[1] ms. Returns, in the same form, the leases that ended within that time and were not dropped. */
export const LAPSED_LUA = `${NOW_LUA}
${ENDED_LUA}
local lapsed = {}
local found = redis.call('ZRANGEBYSCORE', KEYS[1], integer(nowMs - tonumber(ARGV[1])), integer(nowMs), 'WITHSCORES')
for i = 1, #found, 2 do
  if not isDropped(found[i], found[i + 1]) then
    local renewal = redis.call('HGET', KEYS[2], found[i])
    lapsed[#lapsed + 1] = { found[i], integer(tonumber(found[i + 1]) - nowMs), string.match(renewal, '|(.*)$') }
  end
end
return lapsed
`;
