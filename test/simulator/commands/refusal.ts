import { parseParams, UNDO_ACTION, type ActionDefinition } from '@muster/actions';
import type { CommandBody, CommandClaims } from '@muster/protocol';
import type { Machine } from '../machine/machine.js';
import { EXPIRED, UNKNOWN_ACTION, type Outcome } from './plan.js';

/** Why an authentic command is not accepted; `undefined` when it is. */
export function refusalOf(
  claims: CommandClaims,
  { binding }: CommandBody,
  action: ActionDefinition | undefined,
  { profile }: Machine,
): Outcome | undefined {
  if (claims.exp * 1_000 <= Date.now()) return EXPIRED;
  if (action === undefined) return UNKNOWN_ACTION;
  if (!action.platforms.includes(profile.os)) {
    const message = `${action.name} is for ${action.platforms.join(' and ')}; this endpoint runs ${profile.os}`;
    return { state: 'unsupported', code: 'platform', message };
  }
  const checked = CHECKED[binding !== null && action.name !== UNDO_ACTION ? 'bound' : 'free'];
  if (!checked.has(claims)) checked.set(claims, paramsRefusal(claims, action, checked === CHECKED.bound));
  return checked.get(claims);
}

/** A verified command is one object for all agents, and so are its parameters: they are checked once. */
const CHECKED = {
  bound: new WeakMap<CommandClaims, Outcome | undefined>(),
  free: new WeakMap<CommandClaims, Outcome | undefined>(),
};

function paramsRefusal({ params }: CommandClaims, action: ActionDefinition, bound: boolean): Outcome | undefined {
  const parsed = parseParams(action, params, { bound });
  if (parsed.ok) return undefined;
  const [fault] = parsed.faults;
  return { state: 'refused', code: 'bad_params', message: `${fault?.path ?? ''}: ${fault?.message ?? ''}` };
}
