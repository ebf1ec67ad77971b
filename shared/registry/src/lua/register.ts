import { ENTRY_LUA } from './entry.js';

/**
 * Registers agents of one partition.
 *
 * KEYS[1]   the partition's hash of entries
 * ARGV[1]   the gateway
 * ARGV[2]   1 when the list of live gateways was read after the call began, else 0
 * ARGV[3]   supersedes allowed within the window
 * ARGV[4]   the window, ms
 * ARGV[5]   how many live gateways follow; then their ids
 * then, per agent: agentId, org, num, instance, mode, epochHint, connectedAtMs, the epoch that it replaces or ''
 *
 * Leases are in another slot of a cluster, so the caller passes the live gateways. A decision that depends on them (another
 * instance holds the agent) needs a list that is fresh; else the answer is `check`, and the caller reads the leases and
 * calls again. The entry itself is read and written in one step.
 *
 * Returns per agent: {'registered', epoch, previousGateway, previousEpoch} | {'duplicate', reason, gateway, epoch, instance} |
 * {'check'}
 */
export const REGISTER_LUA = `${ENTRY_LUA}
local key, gateway, fresh = KEYS[1], ARGV[1], ARGV[2] == '1'
local limit, windowMs, count = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local live = { [gateway] = true }
for i = 6, 5 + count do live[ARGV[i]] = true end

local function recent(times)
  local kept = {}
  for text in string.gmatch(times, '[^,]+') do
    if nowMs - tonumber(text) < windowMs then kept[#kept + 1] = text end
  end
  return kept
end

local function register(agentId, org, num, instance, mode, hint, connectedAt, replaces)
  local old = read(key, agentId)
  local supersedes = {}
  local held = old and old.gateway ~= ''
  if held then
    local same = old.instance == instance
    -- The answer to an earlier call was lost, and the caller asks again.
    if same and old.gateway == gateway and old.connectedAt == connectedAt then
      return { 'registered', integer(old.epoch), '', '' }
    end
    if not same and not fresh then return { 'check' } end
    if live[old.gateway] then
      if not same then return { 'duplicate', 'instance', old.gateway, integer(old.epoch), old.instance } end
      supersedes = recent(old.supersedes)
      -- Two processes with one key do not know each other's epochs.
      if integer(old.epoch) ~= replaces then
        if #supersedes >= limit then
          return { 'duplicate', 'flapping', old.gateway, integer(old.epoch), old.instance }
        end
        supersedes[#supersedes + 1] = integer(nowMs)
      end
    end
  end
  local epoch = tonumber(hint)
  if old and old.epoch + 1 > epoch then epoch = old.epoch + 1 end
  write(key, agentId, { epoch = epoch, gateway = gateway, instance = instance, mode = mode, connectedAt = connectedAt,
    lastSeen = integer(nowMs), org = org, num = num, supersedes = table.concat(supersedes, ',') })
  if held then return { 'registered', integer(epoch), old.gateway, integer(old.epoch) } end
  return { 'registered', integer(epoch), '', '' }
end

local results = {}
for i = 6 + count, #ARGV, 8 do
  results[#results + 1] =
    register(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6], ARGV[i + 7])
end
return results
`;
