import { ENTRY_LUA } from './entry.js';
import { WITHOUT_MEMORY_LUA } from './leases.js';

/**
 * Unregisters agents of one partition, each only if its epoch is still the stored one.
 *
 * KEYS[1]   the partition's hash of entries
 * ARGV      per agent: agentId, epoch
 *
 * Returns how many were unregistered.
 */
export const UNREGISTER_LUA = `${ENTRY_LUA}
${WITHOUT_MEMORY_LUA('KEYS[1]')}
local unregistered = 0
for i = 1, #ARGV, 2 do
  local entry = read(KEYS[1], ARGV[i])
  if entry and entry.gateway ~= '' and entry.epoch == tonumber(ARGV[i + 1]) then
    entry.gateway = ''
    entry.lastSeen = integer(nowMs)
    write(KEYS[1], ARGV[i], entry)
    unregistered = unregistered + 1
  end
end
return unregistered
`;
