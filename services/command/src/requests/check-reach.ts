import { endpointLabel, type Directory, type Endpoint } from '@muster/directory';
import { AppError, parseSelector, selectorMatches, type CommandId } from '@muster/protocol';

/**
 * Returns the endpoints of a command, each once, when all of them are within the operator's bound.
 * @throws AppError `forbidden`, `bad_selector`.
 */
export function checkReach(
  directory: Pick<Directory, 'endpoints'>,
  command: { readonly id: CommandId; readonly org: Endpoint['org'] },
  bound: string,
  nums: Iterable<number>,
): Endpoint[] {
  const parsed = parseSelector(bound);
  if (!parsed.ok) {
    throw new AppError('bad_selector', `the selector that bounds this operator: ${parsed.message}`, {
      details: { field: 'bound', offset: parsed.offset },
    });
  }
  const targets = new Set(nums);
  const found: Endpoint[] = [];
  for (const endpoint of directory.endpoints(command.org)) {
    if (!targets.has(endpoint.num)) continue;
    if (!selectorMatches(parsed.selector, endpointLabel(endpoint))) {
      throw new AppError('forbidden', `command ${command.id} has targets that your token does not reach`, {
        details: { id: command.id },
      });
    }
    found.push(endpoint);
  }
  return found;
}
