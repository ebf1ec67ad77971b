import { ENTRY_LUA } from './entry.js';

/**
 * Registers again the sessions that a gateway holds in one partition.
 *
 * KEYS[1]   the partition's hash of entries
 * ARGV[1]   the gateway, perhaps under a new id
 * then, per agent: agentId, org, num, instance, mode, epoch, connectedAtMs
 *
 * The same epoch is the same session only if instance and time of connection agree: after data was lost, two gateways could
 * have given the same epoch. A session that was unregistered stays unregistered.
 *
 * Returns per agent: {'kept'} | {'lost', gateway, epoch}; the gateway is empty when the newer session was unregistered.
 */
export const RESYNC_LUA = `${ENTRY_LUA}
local key, gateway = KEYS[1], ARGV[1]

local function resync(agentId, org, num, instance, mode, epochText, connectedAt)
  local old, epoch = read(key, agentId), tonumber(epochText)
  if old then
    local same = old.epoch == epoch and old.gateway ~= '' and old.instance == instance and old.connectedAt == connectedAt
    if old.epoch >= epoch and not same then return { 'lost', old.gateway, integer(old.epoch) } end
  end
  write(key, agentId, { epoch = epoch, gateway = gateway, instance = instance, mode = mode, connectedAt = connectedAt,
    lastSeen = integer(nowMs), org = org, num = num, supersedes = old and old.supersedes or '' })
  return { 'kept' }
end

local results = {}
for i = 2, #ARGV, 7 do
  results[#results + 1] = resync(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6])
end
return results
`;
