/**
 * The format of an entry: one field per agent in the partition's hash. Its value is nine parts joined by `|`, a character
 * that no part can hold. It is text, so that `redis-cli` shows it.
 *
 *   epoch|gatewayId|instance|mode|connectedAtMs|lastSeenMs|org|num|supersededAtMs,...
 *
 * An empty gatewayId: unregistered. The last part holds the times of the latest supersedes, for the flap limit.
 */
export const ENTRY_LUA = `
local function read(key, agentId)
  local packed = redis.call('HGET', key, agentId)
  if not packed then return nil end
  local epoch, gateway, instance, mode, connectedAt, lastSeen, org, num, supersedes = string.match(packed,
    '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$')
  return { epoch = tonumber(epoch), gateway = gateway, instance = instance, mode = mode, connectedAt = connectedAt,
    lastSeen = lastSeen, org = org, num = num, supersedes = supersedes }
end
local function integer(number) return string.format('%.0f', number) end
local function write(key, agentId, e)
  redis.call('HSET', key, agentId, table.concat({ integer(e.epoch), e.gateway, e.instance, e.mode, e.connectedAt,
    e.lastSeen, e.org, e.num, e.supersedes }, '|'))
end
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
`;
